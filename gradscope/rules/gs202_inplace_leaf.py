"""A leaf that requires a gradient was changed in place while gradients are recorded.

What it finds
    The op that torch refused with "a leaf Variable that requires grad is being used in an in-place
    operation", on the leaf itself or on a view of it.

Why it matters
    A leaf is where a gradient ends up. Changed by a recorded op it would no longer be one, so torch
    raises. Updates and initialisation belong under `torch.no_grad()`, computations in a new tensor.

Example
    ```python
    import torch

    x = torch.ones(3, requires_grad=True)
    x += 1
    ```

Use instead
    ```python
    import torch

    x = torch.ones(3, requires_grad=True)
    with torch.no_grad():
        x += 1
    (x * 2).sum().backward()
    ```

Limits
    Information only where the program catches the exception itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from gradscope.facts import Recording
from gradscope.finding import Finding, Severity
from gradscope.rules import rule
from gradscope.rules._refusals import changed_name, leaf_fix, refused, view_related
from gradscope.rules._words import caught, ended, op_words, quoted

_finding = partial(Finding, "GS202", "inplace-leaf")


@rule("GS202", "inplace-leaf", Severity.ERROR)
def inplace_leaf(recording: Recording) -> Iterator[Finding]:
    """One finding for each refused change of a leaf or of a view of one."""
    for fact in refused(recording, ("leaf", "leaf-view")):
        name = changed_name(recording, fact)
        what = "a leaf" if fact.kind == "leaf" else "a view of a leaf"
        subject = quoted(name, "the tensor")
        yield _finding(
            severity=ended(fact.ended_program),
            message=f"{subject} is {what} that requires a gradient and cannot change in place",
            location=fact.location,
            label=f"{op_words(fact.op)} would change the leaf itself",
            subjects=(name,) if name else (),
            related=view_related(fact),
            notes=caught(fact.ended_program),
            evidence={"op": fact.op, "kind": fact.kind},
            fix=leaf_fix(recording, fact),
        )
