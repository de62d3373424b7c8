"""A step follows gradients of earlier steps too: nothing zeroed them in between.

What it finds
    A backward that adds to gradients which a step has used already, and a step that then uses the sum.
    Where the owner had not stepped in between, but the gradients were left by a backward that was meant
    for another optimizer's parameters (a generator's backward fills its discriminator), it is a warning.

Why it matters
    Torch adds to `.grad` and never zeroes it. Every step then follows the sum of all gradients so far:
    nothing fails, the loss stays finite, and the steps are not those of gradient descent.

Example
    ```python
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Linear(3, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for step in range(3):
        loss = model(torch.randn(8, 3)).pow(2).mean()
        loss.backward()
        optimizer.step()
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
        loss = model(torch.randn(8, 3)).pow(2).mean()
        loss.backward()
        optimizer.step()
    ```

Limits
    Several backwards before one step are accumulation, and silent. So are gradients that the program
    rewrites itself between a step and the next backward. A step that the program takes without an
    optimizer is seen where it changes a leaf by a multiple of its gradient, and a step inside a
    backward is not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from gradscope.facts import Recording, StaleGradient
from gradscope.finding import Confidence, Finding, Note, Related, Severity
from gradscope.rules import rule
from gradscope.rules._parts import receiver
from gradscope.rules._source import snippet
from gradscope.rules._words import first_place, grouped, other_places, place, spoken, verb

_finding = partial(Finding, "GS501", "missing-zero-grad")


@rule("GS501", "missing-zero-grad", Severity.ERROR)
def missing_zero_grad(recording: Recording) -> Iterator[Finding]:
    """One finding for each backward that added to used gradients."""
    for fact in recording.stale_gradients:
        yield _foreign(recording, fact) if fact.other_step else _used(recording, fact)


def _used(recording: Recording, fact: StaleGradient) -> Finding:
    shown = spoken(recording, fact.leaves)
    where = first_place(fact.location, fact.step)
    by = f"by {fact.optimizer}" if fact.optimizer else "by the program itself"
    return _finding(
        severity=Severity.ERROR,
        message=f"{grouped(shown)} {verb(shown, 'is', 'are')} stepped {by} with gradients that hold those "
        "of earlier steps too: nothing zeroes them",
        location=where,
        label="adds to the gradients that the last step has used",
        subjects=fact.leaves,
        related=tuple(_related(fact)),
        notes=_often(fact),
        evidence=_evidence(fact),
        fix=f"{_zeroing(recording, fact)} before {_this_backward(fact)}",
        count=fact.count,
    )


def _foreign(recording: Recording, fact: StaleGradient) -> Finding:
    shown = spoken(recording, fact.leaves)
    left = place(fact.left_by, fact.location)
    return _finding(
        severity=Severity.WARNING,
        message=f"{grouped(shown)} {verb(shown, 'is', 'are')} stepped with what the backward of {left} left "
        "in the gradients, which was meant for other parameters",
        location=first_place(fact.location, fact.step),
        confidence=Confidence.PROBABLE,
        label=f"adds to the gradients that the backward of {left} left",
        subjects=fact.leaves,
        related=tuple(_related(fact)),
        notes=_often(fact),
        evidence=_evidence(fact),
        fix=f"{_zeroing(recording, fact)} before {_this_backward(fact)}"
        + (f", not only at {place(fact.zeroed_at, fact.location)}" if fact.zeroed_at else ""),
        count=fact.count,
    )


def _related(fact: StaleGradient) -> Iterator[Related]:
    described = (
        (fact.left_by, "this backward left its gradients"),
        (fact.other_step, "this step was of the parameters that it was meant for"),
        (fact.step, "this step uses the sum"),
        (fact.zeroed_at, "zeroed here, at another time"),
    )
    messages = {where.at: message for where, message in reversed(described) if where}
    for where in other_places([where for where, _ in described], than=fact.location):
        yield Related(where, messages[where.at])


def _often(fact: StaleGradient) -> tuple[Note, ...]:
    if fact.steps < 2:
        return ()
    return (Note("seen", f"in {fact.count:,} of {fact.steps:,} steps"),)


def _zeroing(recording: Recording, fact: StaleGradient) -> str:
    """ "optimizer.zero_grad()", in the program's own name for its optimizer."""
    if fact.optimizer is None:
        return f"zero the gradients ({_name(fact)}.grad = None)"
    text = snippet(recording, fact.step)
    called = receiver(text) if text.endswith(".step()") else None
    return f"call {called or 'optimizer'}.zero_grad()"


def _name(fact: StaleGradient) -> str:
    plain = [leaf for leaf in fact.leaves if leaf.isidentifier()]
    return plain[0] if plain else "p"


def _this_backward(fact: StaleGradient) -> str:
    return f"line {fact.location.line}" if fact.location else "the backward"


def _evidence(fact: StaleGradient) -> dict[str, str | int | bool | None]:
    return {"optimizer": fact.optimizer, "steps": fact.steps, "owner_stepped": fact.other_step is None}
