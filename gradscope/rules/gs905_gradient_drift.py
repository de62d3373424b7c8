"""Gradients differ from those that a baseline keeps.

What it finds
    Norms of parameters' gradients, and losses, that left the tolerance around what the baseline holds of the
    same target: in the first backward, and in the last. It is an error where a parameter that had a gradient
    gets none any more, or where a gradient or a loss is no longer finite, and else a warning.
    `gradscope gate --update-baseline` writes the baseline. The tolerance is relative, and may stand beside
    the target:

    ```toml
    [[tool.gradscope.gate.targets]]
    trace = "train.py"
    drift-tolerance = 1e-3
    ```

Why it matters
    A refactoring is not meant to change a gradient. Where it does, the loss still falls, and no test of
    shapes or of types sees it.

Example
    ```python
    import torch
    from torch import nn

    torch.manual_seed(0)
    encoder, head = nn.Linear(4, 8), nn.Linear(8, 3)
    loss = head(encoder(torch.randn(8, 4)).tanh()).pow(2).sum(dim=1).mean()
    loss.backward()
    ```

Use instead
    ```python
    import torch
    from torch import nn

    torch.manual_seed(0)
    encoder, head = nn.Linear(4, 8), nn.Linear(8, 3)
    loss = head(encoder(torch.randn(8, 4)).tanh()).pow(2).mean()
    loss.backward()
    ```

Limits
    The baseline of the example was written by the program that should be used instead. Without
    `drift-tolerance` it is 0.001; the last of n backwards has n times as much, at least 5 times. With
    another torch version, processor or number of threads it is 20 times as wide, since rounding differs; on
    another device or platform 3000 times, up to a factor of 4, since random numbers may differ, and losses
    are not compared. A gradient below a small share of the model's largest (1e-6 on the same machine) is
    taken for rounding noise. A program that draws random numbers without a seed, or that iterates over a
    set, drifts by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from gradscope.facts import Drift, GradientDrift, Recording
from gradscope.finding import Finding, Note, Related, Severity
from gradscope.rules import rule
from gradscope.rules._drifts import common_change, is_broken, is_lost, told, worst_first
from gradscope.rules._limits import figure
from gradscope.rules._words import counted, first_place, grouped, listing, other_places, spoken, unique, verb

_finding = partial(Finding, "GS905", "gradient-drift")
_MOST_WORST = 3
_MOST_EVIDENCE = 20


@rule("GS905", "gradient-drift", Severity.WARNING)
def gradient_drift(recording: Recording) -> Iterator[Finding]:
    """One finding for all that drifted; information where parameters were only renamed, added or removed."""
    drift = recording.drift
    if drift is None:
        return
    if drift.drifts:
        yield _drifted(recording, drift)
    elif drift.vanished or drift.new:
        yield _other_parameters(recording, drift)


def _drifted(recording: Recording, drift: Drift) -> Finding:
    drifts = worst_first(drift.drifts)
    lost = [one for one in drifts if is_lost(one)]
    broken = [one for one in drifts if is_broken(one)]
    location = first_place(*(one.registered_at for one in drifts))
    at_line = next((one for one in drifts if one.registered_at == location), None)
    places = other_places([one.registered_at for one in drifts], than=location)
    return _finding(
        severity=Severity.ERROR if lost or broken else Severity.WARNING,
        message=_message(recording, drift, lost, broken),
        location=location,
        label=told(recording, at_line) if at_line is not None else "",
        subjects=unique(one.parameter for one in drifts if not one.is_loss),
        related=tuple(Related(where, "and here") for where in places[:_MOST_WORST]),
        notes=tuple(_notes(recording, drift, drifts)),
        evidence={
            "baseline": drift.baseline,
            "tolerance": drift.tolerance,
            "compared": drift.compared,
            "drifted": len(drifts),
            "lost": [one.parameter for one in lost],
            "nonfinite": [one.parameter for one in broken],
            "worst": [told(recording, one) for one in drifts[:_MOST_EVIDENCE]],
            "other_hardware": list(drift.other_hardware),
        },
        fix="find what changed them since the baseline was written; where that is meant, "
        "gradscope gate --update-baseline",
    )


def _message(
    recording: Recording, drift: Drift, lost: Sequence[GradientDrift], broken: Sequence[GradientDrift]
) -> str:
    if lost:
        names = spoken(recording, (one.parameter for one in lost))
        gets = verb(names, "gets", "get")
        return f"{grouped(names)} {gets} no gradient any more: {drift.baseline} has one"
    if broken:
        names = unique(one.parameter for one in broken if not one.is_loss)
        if not names:
            return f"the loss is no longer finite, and it was in {drift.baseline}"
        what = grouped(spoken(recording, names))
        return f"the gradient of {what} is no longer finite, and it was in {drift.baseline}"
    parameters = unique(one.parameter for one in drift.drifts if not one.is_loss)
    if not parameters:
        return f"the loss differs from {drift.baseline}, and the gradients do not"
    what = grouped(spoken(recording, parameters))
    if any(one.figure == "norm" for one in drift.drifts):
        common = common_change(drift.drifts)
        return (
            f"the gradient of {what} {f'is {common} than in' if common else 'differs from'} {drift.baseline}"
        )
    return f"the gradient of {what} differs from {drift.baseline} after training steps, and at first does not"


def _notes(recording: Recording, drift: Drift, drifts: Sequence[GradientDrift]) -> Iterator[Note]:
    for one in drifts[:_MOST_WORST]:
        yield Note("drift", told(recording, one))
    if len(drifts) > _MOST_WORST:
        more = len(drifts) - _MOST_WORST
        yield Note("and", f"{counted(more, 'more figure')} of {drift.compared:,} compared")
    yield Note("tolerance", _tolerance(drift, drifts))
    if drift.vanished or drift.new:
        yield Note("parameters", _renamed(recording, drift))


def _tolerance(drift: Drift, drifts: Sequence[GradientDrift]) -> str:
    last = max((one.tolerance for one in drifts if one.figure.startswith("last")), default=None)
    text = f"{figure(drift.tolerance)}, relative"
    if last is not None:
        text += f", and {figure(last)} for the last backward"
    if drift.other_hardware:
        text += f"; {figure(drift.widened)} times as wide: {', '.join(drift.other_hardware)}"
    return text


def _renamed(recording: Recording, drift: Drift) -> str:
    gone = f"{listing(drift.vanished)} {_are(drift.vanished)} gone" if drift.vanished else ""
    new = f"{listing(spoken(recording, drift.new))} {_are(drift.new)} new" if drift.new else ""
    return ", ".join(filter(None, (gone, new)))


def _are(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _other_parameters(recording: Recording, drift: Drift) -> Finding:
    leaf = next((one for name in drift.new if (one := recording.leaf(name)) is not None), None)
    none = "" if drift.compared else ", so nothing was compared"
    return _finding(
        severity=Severity.INFO,
        message=f"parameters are others than in {drift.baseline}: {_renamed(recording, drift)}{none}",
        location=(leaf.registered_at or leaf.made_at) if leaf is not None else None,
        subjects=(*drift.new, *drift.vanished),
        evidence={
            "baseline": drift.baseline,
            "compared": drift.compared,
            "vanished": list(drift.vanished),
            "new": list(drift.new),
        },
        fix="gradscope gate --update-baseline  takes them in",
    )
