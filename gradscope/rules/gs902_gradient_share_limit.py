"""Fewer of the trained parameters get a gradient than a gate asks for.

What it finds
    The trained parameters that got no gradient in the whole run, or only zeros, or none that is finite,
    where the others are less than `min-gradient-share` of all, from 0 to 1. The limit stands beside the
    target in `pyproject.toml`:

    ```toml
    [[tool.gradscope.gate.targets]]
    trace = "train.py"
    min-gradient-share = 1.0
    ```

Why it matters
    What gets no gradient keeps its first values, and no error says so. Other rules name the line where they
    can tell the cause; this one counts, whatever the cause is.

Example
    ```python
    import torch
    from torch import nn

    torch.manual_seed(0)
    encoder, head = nn.Linear(4, 8), nn.Linear(8, 1)
    optimizer = torch.optim.SGD([*encoder.parameters(), *head.parameters()], lr=0.1)
    features = encoder(torch.randn(8, 4)).relu().detach()
    loss = head(features).pow(2).mean()
    loss.backward()
    optimizer.step()
    ```

Use instead
    ```python
    import torch
    from torch import nn

    torch.manual_seed(0)
    encoder, head = nn.Linear(4, 8), nn.Linear(8, 1)
    optimizer = torch.optim.SGD([*encoder.parameters(), *head.parameters()], lr=0.1)
    features = encoder(torch.randn(8, 4)).relu()
    loss = head(features).pow(2).mean()
    loss.backward()
    optimizer.step()
    ```

Limits
    Trained is what an optimizer owns; in a program without one, what is trainable in the models that ran.
    Frozen parameters are not counted. A part that the run does not reach (an expert that got no token)
    counts as without gradient: run more steps, or lower the limit. The share is of tensors, not of elements.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from gradscope.facts import Leaf, Recording
from gradscope.figures import GradientShare, gradient_share
from gradscope.finding import Finding, Note, Severity
from gradscope.rules import rule
from gradscope.rules._limits import figure, stated
from gradscope.rules._words import counted, first_place, grouped, noun_for, other_places, spoken

_finding = partial(Finding, "GS902", "gradient-share-limit")
_MOST_PLACES = 3


@rule("GS902", "gradient-share-limit", Severity.ERROR)
def gradient_share_limit(recording: Recording) -> Iterator[Finding]:
    """One finding where the share is below the limit."""
    limit = recording.limits.min_gradient_share
    share = gradient_share(recording) if limit is not None else None
    if limit is not None and share is not None and not share.value >= limit:
        yield _judged(recording, share, limit)


def _judged(recording: Recording, share: GradientShare, limit: float) -> Finding:
    failing = share.failing
    places = [leaf.registered_at or leaf.made_at for leaf in failing]
    first = first_place(*places)
    kinds = (("no gradient", share.without), ("zeros only", share.zero), ("not finite", share.nonfinite))
    good, noun = len(share.parameters) - len(failing), noun_for(share.parameters)
    return _finding(
        severity=Severity.ERROR,
        message=f"{good:,} of {counted(len(share.parameters), f'trained {noun}')} "
        f"{'gets' if good == 1 else 'get'} a gradient ({share.value:.1%}): "
        f"min-gradient-share is {figure(limit)}",
        location=first,
        label=_label(share, failing, first),
        subjects=tuple(leaf.name for leaf in failing),
        related=stated(
            recording.limits,
            *((where, "and here") for where in other_places(places, than=first)[:_MOST_PLACES]),
        ),
        notes=tuple(Note(heading, _named(recording, leaves)) for heading, leaves in kinds if leaves),
        evidence={
            "share": share.value,
            "limit": limit,
            "trained": len(share.parameters),
            **{heading.replace(" ", "_"): len(leaves) for heading, leaves in kinds},
        },
        fix="gradscope trace names the line that takes the gradient away, where one does; "
        "freeze what is not to be trained, or lower min-gradient-share",
    )


def _label(share: GradientShare, failing: Sequence[Leaf], first: object) -> str:
    at_line = [leaf.name for leaf in failing if (leaf.registered_at or leaf.made_at) == first]
    said = {leaf.name: "no gradient" for leaf in share.without}
    said |= {leaf.name: "a gradient of zeros only" for leaf in share.zero}
    said |= {leaf.name: "no finite gradient" for leaf in share.nonfinite}
    kinds = dict.fromkeys(said[name] for name in at_line)
    return f"what is registered here gets {', or '.join(kinds)}"


def _named(recording: Recording, leaves: Sequence[Leaf]) -> str:
    return grouped(spoken(recording, (leaf.name for leaf in leaves)), noun_for(leaves))
