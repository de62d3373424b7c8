"""A leaf's name was given to a tensor computed from it, and the leaf's gradient was lost with it.

What it finds
    A statement such as `w = w - lr * w.grad` or `x = x * 2`, where the name held a leaf, and what came
    of it: a later `.grad` that is None, an optimizer that refused the new tensor, a trained leaf that
    nothing holds any more.

Why it matters
    Gradients are kept for leaves only. After the assignment the name stands for the result of an op,
    its `.grad` stays None, and the leaf that does get the gradient has no name.

Example
    ```python
    import torch

    w = torch.tensor([1.0, 2.0], requires_grad=True)
    (w ** 2).sum().backward()
    w = w - 0.1 * w.grad
    (w ** 2).sum().backward()
    print(w.grad)
    ```

Use instead
    ```python
    import torch

    w = torch.tensor([1.0, 2.0], requires_grad=True)
    (w ** 2).sum().backward()
    with torch.no_grad():
        w -= 0.1 * w.grad
    w.grad = None
    (w ** 2).sum().backward()
    print(w.grad)
    ```

Limits
    An assignment without a consequence is no finding: reusing the name of an input for the next layer's
    result, or for the next time step, is ordinary code. The name is read from the source, so an
    assignment through `setattr`, `globals()` or a dictionary is not seen.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import partial

from gradscope.facts import Rebinding, Recording
from gradscope.finding import Finding, Related, Severity
from gradscope.rules import rule
from gradscope.rules._cuts import cut_location
from gradscope.rules._rewrites import fresh, leaf_made_last, under_new_name, updated_in_place
from gradscope.rules._source import simple_statement, statement

_finding = partial(Finding, "GS104", "leaf-reassigned")
_MOVES = ("to", "cuda", "cpu", "half", "bfloat16", "float", "double", "type")


@rule("GS104", "leaf-reassigned", Severity.ERROR)
def leaf_reassigned(recording: Recording) -> Iterator[Finding]:
    """One finding for each rebinding that had a consequence."""
    for fact in recording.rebindings:
        if not fact.name:
            yield _never_a_leaf(recording, fact)
            continue
        consequence = _consequence(recording, fact)
        if consequence:
            yield _finding(
                severity=Severity.ERROR,
                message=f"`{fact.name}` was given to {_new_tensors(recording, fact)}: {consequence}",
                location=fact.location,
                label=f"from here on `{fact.name}` is the result of {fact.op}, not the leaf",
                subjects=(fact.name,),
                related=tuple(_related(fact)),
                evidence={"op": fact.op, "leaf_lost": fact.leaf_lost, "ended_program": fact.ended_program},
                fix=_fix(recording, fact),
                count=fact.count,
            )


def _new_tensors(recording: Recording, fact: Rebinding) -> str:
    node = simple_statement(statement(recording, fact.location))
    is_many = isinstance(node, ast.Assign) and isinstance(node.value, ast.ListComp | ast.DictComp)
    return "new tensors, not the leaves" if is_many else "a new tensor"


def _never_a_leaf(recording: Recording, fact: Rebinding) -> Finding:
    """What was given to the optimizer was computed in the statement that should have made the leaf."""
    line = statement(recording, fact.location)
    return _finding(
        severity=Severity.ERROR,
        message=f"the optimizer refuses the result of {fact.op}: the leaf it was computed from has no name",
        location=fact.location,
        label=f"the result of {fact.op}, not a leaf",
        related=tuple(_related(fact)),
        evidence={"op": fact.op, "leaf_lost": fact.leaf_lost, "ended_program": fact.ended_program},
        fix=leaf_made_last(line) or "call requires_grad_() last, on the finished tensor",
        count=fact.count,
    )


def _consequence(recording: Recording, fact: Rebinding) -> str | None:
    if fact.optimizer_at is not None:
        return "the optimizer refuses it, because it is not a leaf"
    if fact.read_at is not None:
        return "its .grad is None, because only leaves keep a gradient"
    if fact.leaf_lost and fact.leaf_had_gradient and _is_update(statement(recording, fact.location)):
        return "the leaf that was trained is gone"
    if _lost_a_graph(recording, fact):
        return "the new tensor has no graph"
    return None


def _lost_a_graph(recording: Recording, fact: Rebinding) -> bool:
    """Whether a backward found no graph because of this very line (`w = (w - g).detach()`)."""
    if fact.location is None:
        return False
    places = [
        place
        for missing in recording.missing_graphs
        for cut in missing.cuts
        for place in (cut.location, cut_location(cut))
        if place is not None
    ]
    return any(place.at == fact.location.at for place in places)


def _is_update(line: str) -> bool:
    """Whether the statement computes with a gradient: `w = w - lr * w.grad`."""
    return re.search(r"\bgrads?\b", line) is not None


def _related(fact: Rebinding) -> Iterator[Related]:
    if fact.optimizer_at is not None:
        yield Related(fact.optimizer_at, "can't optimize a non-leaf tensor")
    if fact.read_at is not None and (fact.location is None or fact.read_at.at != fact.location.at):
        yield Related(fact.read_at, f"`{fact.name}.grad` is None here")


def _fix(recording: Recording, fact: Rebinding) -> str:
    line = statement(recording, fact.location)
    name = fact.name
    is_update = _is_update(line)
    if fact.op in _MOVES:
        made_last = leaf_made_last(line) if "requires_grad" in line else None
        where = "(device=..., dtype=..., requires_grad=True)"
        return made_last or f"make `{name}` as it is needed {where} instead of converting it"
    if is_update or fact.optimizer_at is not None:
        update = updated_in_place(line) or f"with torch.no_grad(): {name}.copy_(...)"
        return f"{update}; then {name}.grad = None" if is_update else update
    new = under_new_name(line) or f"{fresh(name)} = ..."
    return f"{new}, and use {fresh(name)} below: `{name}` stays the leaf"
