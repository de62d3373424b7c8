"""Gradients are clipped at the wrong time, so the step does not use clipped gradients.

What it finds
    A clipping call before the backward or after the step, between the micro-batches of one step, or
    while the gradients are still multiplied by a GradScaler's loss scale.

Why it matters
    A clip that comes too early or too late changes nothing. Between micro-batches it clips a part of the
    sum, again and again. On scaled gradients it holds `norm * scale` against the limit, so that every
    gradient shrinks to next to nothing once the scale is divided out.

Example
    ```python
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Linear(3, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for step in range(3):
        optimizer.zero_grad()
        model(torch.randn(8, 3)).pow(2).mean().backward()
        optimizer.step()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    ```

Use instead
    ```python
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Linear(3, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for step in range(3):
        optimizer.zero_grad()
        model(torch.randn(8, 3)).pow(2).mean().backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    ```

Limits
    Only torch's own clipping functions are seen. A call with a limit of a million or more is taken for a
    measurement. Gradients that the program divides by the loss scale itself count as unscaled.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from gradscope.facts import ClipOrder, ClipOutOfOrder, Recording
from gradscope.finding import Finding, Note, Related, Severity
from gradscope.rules import rule
from gradscope.rules._source import snippet
from gradscope.rules._words import other_places, place

_finding = partial(Finding, "GS502", "clip-order")
_MESSAGES = {
    ClipOrder.BEFORE_BACKWARD: "gradients are clipped before backward has made them",
    ClipOrder.AFTER_STEP: "gradients are clipped after the step has used them",
    ClipOrder.BEFORE_UNSCALE: "gradients are clipped while they are still multiplied by the loss scale",
    ClipOrder.BETWEEN_BACKWARDS: "gradients are clipped between the backwards of one step",
}
_LABELS = {
    ClipOrder.BEFORE_BACKWARD: "there is nothing to clip yet",
    ClipOrder.AFTER_STEP: "too late for this step",
    ClipOrder.BEFORE_UNSCALE: "holds scaled gradients against the limit",
    ClipOrder.BETWEEN_BACKWARDS: "clips a part of the sum, before the rest is added",
}


@rule("GS502", "clip-order", Severity.ERROR)
def clip_order(recording: Recording) -> Iterator[Finding]:
    """One finding for each line that clips at the wrong time."""
    for fact in recording.clips_out_of_order:
        yield _finding(
            severity=Severity.ERROR,
            message=_MESSAGES[fact.kind],
            location=fact.location,
            label=_LABELS[fact.kind],
            related=tuple(_related(fact)),
            notes=_scale(fact),
            evidence={"order": str(fact.kind), "scale": fact.scale},
            fix=_fix(recording, fact),
            count=fact.count,
        )


def _related(fact: ClipOutOfOrder) -> Iterator[Related]:
    described = (
        (fact.backward, "this backward made the gradients"),
        (
            fact.step,
            "this step used them as they were"
            if fact.kind is not ClipOrder.BETWEEN_BACKWARDS
            else "this step uses the sum",
        ),
    )
    messages = {where.at: message for where, message in described if where}
    for where in other_places([where for where, _ in described], than=fact.location):
        yield Related(where, messages[where.at])


def _scale(fact: ClipOutOfOrder) -> tuple[Note, ...]:
    if fact.scale is None:
        return ()
    return (
        Note("because", f"the gradients are {fact.scale:,.0f} times too large here: that is the loss scale"),
    )


def _fix(recording: Recording, fact: ClipOutOfOrder) -> str:
    call = snippet(recording, fact.location) or "the clip"
    if fact.kind is ClipOrder.BEFORE_UNSCALE:
        return f"call scaler.unscale_(optimizer) before {place(fact.location, fact.location)}"
    if fact.kind is ClipOrder.BETWEEN_BACKWARDS:
        return f"clip once, after the last backward and before {place(fact.step, fact.location)}: {call}"
    between = f"after the backward of {place(fact.backward, fact.location)} and before the step of "
    between += place(fact.step, fact.location)
    return f"clip {between}: {call}"
