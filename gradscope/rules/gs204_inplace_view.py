"""A view was changed in place that autograd cannot follow.

What it finds
    The op that torch refused because its target is one of several views made by one call (`unbind`,
    `split`, `chunk`), or a view made under `no_grad`; and the line that made the view.

Why it matters
    A change of one view changes its base and its siblings. For these views torch cannot say what that
    means for the gradient, so it raises, at the change, not where the view was made.

Example
    ```python
    import torch

    x = torch.ones(4, requires_grad=True)
    y = x * 2
    first, second = y.split(2)
    first += 1
    ```

Use instead
    ```python
    import torch

    x = torch.ones(4, requires_grad=True)
    y = x * 2
    first, second = y.split(2)
    first = first + 1
    (first.sum() + second.sum()).backward()
    ```

Limits
    In-place changes of a single view (`y[0:2].mul_(3)`) are correct in torch, and silent here.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from gradscope.facts import Recording
from gradscope.finding import Finding, Severity
from gradscope.rules import rule
from gradscope.rules._refusals import changed_name, refused, view_fix, view_related
from gradscope.rules._words import caught, ended, op_words, quoted

_finding = partial(Finding, "GS204", "inplace-view")


@rule("GS204", "inplace-view", Severity.ERROR)
def inplace_view(recording: Recording) -> Iterator[Finding]:
    """One finding for each refused change of a view."""
    for fact in refused(recording, ("view",)):
        name = changed_name(recording, fact)
        why = (
            f"one of several views that {fact.view_op} made"
            if fact.view_op
            else "a view that autograd cannot follow"
        )
        if "no_grad" in fact.message:
            why = "a view made under no_grad"
        yield _finding(
            severity=ended(fact.ended_program),
            message=f"{quoted(name, 'the tensor')} is {why}: it cannot be changed in place",
            location=fact.location,
            label=f"{op_words(fact.op)} would change its base and its siblings too",
            subjects=(name,) if name else (),
            related=view_related(fact),
            notes=caught(fact.ended_program),
            evidence={"op": fact.op, "view_op": fact.view_op},
            fix=view_fix(recording, fact),
        )
