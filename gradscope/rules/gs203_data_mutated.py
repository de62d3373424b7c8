"""Memory that backward needs was changed behind autograd's back: the gradient is wrong, silently.

What it finds
    A write through `.data`, `set_`, the storage or a NumPy array that shares memory, after an op saved
    the tensor and before the backward that reads it.

Why it matters
    Such a write does not raise the version counter, so torch's check does not see it: no error, and a
    gradient computed from the wrong values. In the example it is 5.0 where it should be 7.39.

Example
    ```python
    import torch

    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x.exp()
    loss = y.sum()
    y.data.clamp_(max=5)
    loss.backward()
    print(x.grad)
    ```

Use instead
    ```python
    import torch

    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x.exp()
    loss = y.sum()
    shown = y.detach().clamp(max=5)
    loss.backward()
    print(x.grad)
    ```

Limits
    A write through a NumPy array is noticed by a checksum, between two ops; its line is then inferred
    from the source and the finding says "probable".
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from gradscope.facts import Recording, SilentMutation
from gradscope.finding import Confidence, Finding, Related, Severity
from gradscope.rules import rule
from gradscope.rules._parts import written_to
from gradscope.rules._rewrites import behind_data, out_of_place
from gradscope.rules._source import statement
from gradscope.rules._words import first_place, node_words, other_places, place, quoted

_finding = partial(Finding, "GS203", "data-mutated")
_WAYS = {
    "data": "through .data",
    "set_": "by set_()",
    "storage": "through its storage",
    "numpy": "through a NumPy array that shares its memory",
}


@rule("GS203", "data-mutated", Severity.ERROR)
def data_mutated(recording: Recording) -> Iterator[Finding]:
    """One finding for each silent write."""
    for fact in recording.silent_mutations:
        yield _finding_for(recording, fact)


def _finding_for(recording: Recording, fact: SilentMutation) -> Finding:
    location = first_place(fact.location, fact.before, fact.after)
    line = (
        behind_data(statement(recording, location)) if fact.how == "data" else statement(recording, location)
    )
    subject = fact.subject or (written_to(line) if fact.how == "data" else None)
    way = _WAYS.get(fact.how, f"by {fact.op}")
    changed = f"{quoted(subject, 'a tensor')} was changed {way}"
    return _finding(
        severity=Severity.ERROR,
        message=f"{changed} after {node_words(fact.node) or 'an op'} saved it: the gradient is wrong",
        location=location,
        confidence=Confidence.CERTAIN if fact.exact else Confidence.PROBABLE,
        label=f"changes the memory {way}; autograd does not see it",
        subjects=(subject,) if subject else (),
        related=tuple(_related(fact)),
        evidence={"how": fact.how, "op": fact.op, "node": fact.node, "exact": fact.exact},
        fix=_fix(recording, fact, line, subject),
        count=fact.count,
    )


def _related(fact: SilentMutation) -> Iterator[Related]:
    if fact.saved_at is not None:
        yield Related(fact.saved_at, f"{fact.node or 'an op'} saved it here")
    if not fact.exact:
        for where in other_places([fact.after], than=fact.saved_at):
            yield Related(where, "still as it was saved here")
    if fact.backward is not None:
        yield Related(fact.backward, "this backward computes with the changed values")


def _fix(recording: Recording, fact: SilentMutation, line: str, subject: str | None) -> str:
    if subject and recording.leaf(subject) is not None:
        return f"change it after the backward of {place(fact.backward, fact.location)}"
    if fact.how == "numpy" and fact.array_first:
        return "give torch a copy of the array: torch.tensor(array), or torch.from_numpy(array.copy())"
    if fact.how == "numpy":
        return "write into a copy: .detach().cpu().numpy().copy()"
    new = out_of_place(line) if fact.how == "data" else None
    return new or "compute a new tensor, or change it by an in-place op of its own, which torch checks"
