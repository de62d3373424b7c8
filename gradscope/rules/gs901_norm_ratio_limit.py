"""The gradients of a model's modules differ by more than a gate allows.

What it finds
    The modules of one model with the largest and the smallest gradient per element (root mean square over
    their own trained parameters), where the largest is more than `max-norm-ratio` times the smallest, in
    the first backward or in the last. The limit stands beside the target in `pyproject.toml`:

    ```toml
    [[tool.gradscope.gate.targets]]
    trace = "train.py"
    max-norm-ratio = 1e4
    ```

Why it matters
    One learning rate cannot train both. A change that scales a branch, drops a normalisation or sums where
    it took the mean raises no error: the ratio tells it in the first step.

Example
    ```python
    import torch
    from torch import nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.main = nn.Linear(8, 4)
            self.side = nn.Linear(8, 4)

        def forward(self, x):
            return self.main(x) + 1e-7 * self.side(x)

    torch.manual_seed(0)
    net = Net()
    net(torch.randn(16, 8)).pow(2).mean().backward()
    ```

Use instead
    ```python
    import torch
    from torch import nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.main = nn.Linear(8, 4)
            self.side = nn.Linear(8, 4)

        def forward(self, x):
            return self.main(x) + self.side(x)

    torch.manual_seed(0)
    net = Net()
    net(torch.randn(16, 8)).pow(2).mean().backward()
    ```

Limits
    Modules that get no gradient, or zeros only, are left out: GS902 has a limit for them. Modules of
    different models are not compared, since their losses may be of different size. An embedding of which a
    batch uses few rows has a small gradient per element. A gradient that is not finite is beyond every
    limit, unless only the first backward had it: so a GradScaler begins.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

from gradscope.facts import Recording
from gradscope.figures import ModuleNorm, NormRatio, norm_ratios
from gradscope.finding import Finding, Note, Severity
from gradscope.rules import rule
from gradscope.rules._limits import figure, module_name, stated
from gradscope.rules._words import counted, quoted

_finding = partial(Finding, "GS901", "norm-ratio-limit")


@rule("GS901", "norm-ratio-limit", Severity.ERROR)
def norm_ratio_limit(recording: Recording) -> Iterator[Finding]:
    """One finding for each model whose modules' gradients are further apart than the limit."""
    limit = recording.limits.max_norm_ratio
    if limit is None:
        return
    for ratio in norm_ratios(recording):
        if not ratio.value <= limit:  # also where it is NaN
            yield _judged(recording, ratio, limit)


def _judged(recording: Recording, ratio: NormRatio, limit: float) -> Finding:
    largest, smallest = _name(ratio, ratio.largest), _name(ratio, ratio.smallest)
    odd = ratio.odd
    return _finding(
        severity=Severity.ERROR,
        message=_message(ratio, largest, smallest, limit),
        location=odd.location,
        label=f"{_per_element(odd)} in the {ratio.moment.value} backward",
        subjects=tuple(dict.fromkeys((largest, smallest))),
        related=stated(
            recording.limits,
            *((one.location, f"{_per_element(one)} here") for one in _others(ratio)),
        ),
        notes=(
            Note("largest", f"{largest}: {_per_element(ratio.largest)}"),
            Note("smallest", f"{smallest}: {_per_element(ratio.smallest)}"),
            Note("compared", _compared(ratio)),
        ),
        evidence={
            "ratio": ratio.value,
            "limit": limit,
            "backward": ratio.moment.value,
            "largest": largest,
            "largest_rms": ratio.largest.rms,
            "smallest": smallest,
            "smallest_rms": ratio.smallest.rms,
            "median_rms": ratio.median,
        },
        fix="gradscope trace shows the gradient of every module; where the difference is meant, "
        "raise max-norm-ratio",
    )


def _others(ratio: NormRatio) -> list[ModuleNorm]:
    """The one of the two that the finding does not stand at."""
    odd = ratio.odd
    both = (ratio.largest, ratio.smallest)
    where = odd.location.at if odd.location is not None else None
    return [one for one in both if one.location is not None and one.location.at != where]


def _message(ratio: NormRatio, largest: str, smallest: str, limit: float) -> str:
    moment = ratio.moment.value
    if math.isnan(ratio.value):
        return (
            f"the gradient of {quoted(largest, 'a module')} is not finite in the {moment} backward: "
            f"no ratio is within max-norm-ratio = {figure(limit)}"
        )
    return (
        f"the gradient of {quoted(largest, 'a module')} is {figure(ratio.value)} times that of "
        f"{quoted(smallest, 'a module')} in the {moment} backward: max-norm-ratio is {figure(limit)}"
    )


def _name(ratio: NormRatio, norm: ModuleNorm) -> str:
    return module_name(ratio.root, norm.name)


def _per_element(norm: ModuleNorm) -> str:
    return f"{figure(norm.rms)} per element"


def _compared(ratio: NormRatio) -> str:
    if ratio.root is None:
        return f"{counted(ratio.modules, 'tensor')} in no module, median {figure(ratio.median)}"
    return f"{counted(ratio.modules, 'module')} of {ratio.root}, median {figure(ratio.median)}"
