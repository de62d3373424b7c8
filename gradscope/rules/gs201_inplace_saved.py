"""A tensor was changed in place after an op saved it for backward.

What it finds
    Torch's "one of the variables needed for gradient computation has been modified by an inplace
    operation", with both lines: the one that changed the tensor and the one that had saved it.

Why it matters
    Torch names neither the change nor, without anomaly mode, the op that saved. The change is often
    far from both: an in-place activation, a write into a buffer, an optimizer step between two
    backwards.

Example
    ```python
    import torch

    scores = torch.randn(4, 4, requires_grad=True)
    att = torch.softmax(scores * 2, dim=-1)
    att *= 0.5
    att.sum().backward()
    ```

Use instead
    ```python
    import torch

    scores = torch.randn(4, 4, requires_grad=True)
    att = torch.softmax(scores * 2, dim=-1)
    att = att * 0.5
    att.sum().backward()
    ```

Limits
    In-place changes that no saved tensor suffers from are correct and silent. Changes inside a compiled
    region or an extension are not seen; then only the saving line is named.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from gradscope.facts import InplaceConflict, Recording
from gradscope.finding import Confidence, Finding, Location, Related, Severity
from gradscope.rules import rule
from gradscope.rules._parts import called_module, written_to
from gradscope.rules._rewrites import out_of_place
from gradscope.rules._source import snippet, statement
from gradscope.rules._words import (
    caught,
    ended,
    first_place,
    keeps_failing,
    node_words,
    op_words,
    other_places,
    place,
    quoted,
)

_finding = partial(Finding, "GS201", "inplace-saved")
_ROLES = {
    "result": "its result",
    **dict.fromkeys(("self", "input", "mat1"), "its input"),
    **dict.fromkeys(("weight", "mat2"), "its weight"),
}


@rule("GS201", "inplace-saved", Severity.ERROR)
def inplace_saved(recording: Recording) -> Iterator[Finding]:
    """One finding for each conflict, at the line that changed the tensor first."""
    for fact in recording.inplace_conflicts:
        yield _finding_for(recording, fact)


def _finding_for(recording: Recording, fact: InplaceConflict) -> Finding:
    change = fact.changes[0] if fact.changes else None
    location = first_place(change.location if change else None, fact.backward)
    subject = _subject(recording, fact, change.location if change else None)
    op = node_words(fact.node)
    by_step = change is not None and change.op.endswith(".step")
    saved = role(fact.saved)
    return _finding(
        severity=ended(fact.ended_program, keeps_failing=keeps_failing(recording, fact.backward)),
        message=f"{quoted(subject, _shape(fact))} was changed {_how(fact)} after {op} saved it for backward",
        location=location,
        confidence=Confidence.CERTAIN if change and change.location else Confidence.PROBABLE,
        label=_label(fact, location),
        subjects=(subject,) if subject else (),
        related=tuple(_related(fact, location, saved)),
        notes=caught(fact.ended_program),
        evidence={
            "node": fact.node,
            "saved": fact.saved,
            "shape": list(fact.shape),
            "dtype": fact.dtype,
            "version": fact.version,
            "expected_version": fact.expected_version,
        },
        fix=_fix(recording, fact, by_step=by_step),
    )


def role(saved: str) -> str:
    """A saved tensor's part in its op: "result" -> "its result", "self" -> "its input"."""
    return _ROLES.get(saved, f"`{saved}`" if saved else "a tensor")


def _subject(recording: Recording, fact: InplaceConflict, where: Location | None) -> str | None:
    return fact.subject or written_to(statement(recording, where))


def _shape(fact: InplaceConflict) -> str:
    return f"a tensor of shape {list(fact.shape)}"


def _how(fact: InplaceConflict) -> str:
    if fact.changes and fact.changes[0].op.endswith(".step"):
        return "by the optimizer"
    return "in place"


def _label(fact: InplaceConflict, location: Location | None) -> str:
    if not fact.changes:
        return "backward needs the tensor as it was"
    change = fact.changes[0]
    before = f", before the backward at {place(fact.backward, location)}" if fact.backward else ""
    return f"changed here by {op_words(change.op)} (version {change.version}){before}"


def _related(fact: InplaceConflict, location: Location | None, saved: str) -> Iterator[Related]:
    if fact.saved_at is not None:
        yield Related(fact.saved_at, f"{fact.node} saved {saved} here (version {fact.expected_version})")
    for where in other_places([change.location for change in fact.changes[1:4]], than=location):
        yield Related(where, "and changed again here")
    if fact.backward is not None and fact.changes:
        yield Related(fact.backward, f"this backward needs version {fact.expected_version}")


def _fix(recording: Recording, fact: InplaceConflict, *, by_step: bool) -> str:
    where = fact.changes[0].location if fact.changes else None
    line = statement(recording, where)
    backward = place(fact.backward, where)
    if by_step:
        return (
            f"call every backward() first: move `{line}` below {backward}"
            if line
            else "step after every backward()"
        )
    if fact.subject and recording.leaf(fact.subject) is not None:
        return f"update it after the backward: move `{line}` below {backward}"
    new = out_of_place(line) if line else None
    if new is not None:
        return new
    called = called_module(snippet(recording, where))
    if called is not None:
        return f"make `{called}` with inplace=False"
    return f"change a copy: .clone() the tensor after {place(fact.saved_at, where)} has saved it"
