"""What torch refuses to change in place, and what to write instead: shared by GS202 and GS204."""

from __future__ import annotations

from collections.abc import Iterator

from gradscope.facts import InplaceRefused, Recording
from gradscope.finding import Related
from gradscope.rules._parts import written_to
from gradscope.rules._rewrites import out_of_place, under_new_name
from gradscope.rules._source import statement


def refused(recording: Recording, kinds: tuple[str, ...]) -> Iterator[InplaceRefused]:
    """The refusals of these kinds ("leaf", "leaf-view", "view")."""
    return (fact for fact in recording.inplace_refused if fact.kind in kinds)


def changed_name(recording: Recording, fact: InplaceRefused) -> str | None:
    """The name of what the op would have changed."""
    return fact.subject or written_to(statement(recording, fact.location))


def view_related(fact: InplaceRefused) -> tuple[Related, ...]:
    """Where the view was made."""
    if fact.view_made_at is None:
        return ()
    by = f" by {fact.view_op}" if fact.view_op else ""
    return (Related(fact.view_made_at, f"the view was made here{by}"),)


def leaf_fix(recording: Recording, fact: InplaceRefused) -> str:
    """Two ways out for a leaf: an update outside the graph, or a result of its own."""
    line = statement(recording, fact.location)
    if not line:
        return "with torch.no_grad(): for an update, or the out-of-place op for a computation"
    new = under_new_name(line)
    update = f"with torch.no_grad(): {line}"
    return f"for an update: {update}; for a computation: {new}" if new else update


def view_fix(recording: Recording, fact: InplaceRefused) -> str:
    """A new tensor in place of the change of a view."""
    if "no_grad" in fact.message or "inference" in fact.message:
        return "make the view and change it on the same side of the no_grad block, or .clone() the view first"
    line = statement(recording, fact.location)
    return (out_of_place(line) if line else None) or "change a copy: .clone() the view first"
