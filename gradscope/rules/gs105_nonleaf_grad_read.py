"""`.grad` was read on an intermediate tensor: it is None there.

What it finds
    A read of `.grad` on a tensor that is the result of an op and was not asked to keep its gradient.

Why it matters
    Backward frees the gradients of intermediates as soon as they are used, so the read gives None,
    whatever the gradient was. Torch warns once; code that goes on with None fails later, or logs nothing.

Example
    ```python
    import warnings

    import torch

    warnings.simplefilter("ignore")
    a = torch.tensor(2.0, requires_grad=True)
    b = a * 3
    (b ** 2).backward()
    print(b.grad)
    ```

Use instead
    ```python
    import torch

    a = torch.tensor(2.0, requires_grad=True)
    b = a * 3
    b.retain_grad()
    (b ** 2).backward()
    print(b.grad)
    ```

Limits
    Where the name was a leaf before, the assignment that changed that is the finding (GS104) and this
    read is its consequence.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from gradscope.facts import NonleafGradRead, Recording
from gradscope.finding import Finding, Related, Severity
from gradscope.rules import rule
from gradscope.rules._parts import receiver
from gradscope.rules._source import snippet
from gradscope.rules._words import quoted

_finding = partial(Finding, "GS105", "nonleaf-grad-read")


@rule("GS105", "nonleaf-grad-read", Severity.WARNING)
def nonleaf_grad_read(recording: Recording) -> Iterator[Finding]:
    """One finding for each line that reads the gradient of an intermediate."""
    for fact in recording.nonleaf_grad_reads:
        name = fact.name or receiver(snippet(recording, fact.location))
        subject = quoted(name, "this tensor")
        tensor, made_by = name or "h", fact.made_by or "an op"
        yield _finding(
            severity=Severity.ERROR if fact.ended_program else Severity.WARNING,
            message=f"the .grad of {subject} is None: it is the result of {made_by}, not a leaf",
            location=fact.location,
            label="None: only leaves keep their gradient",
            subjects=(name,) if name else (),
            related=tuple(_related(fact, subject)),
            evidence={"made_by": fact.made_by, "ended_program": fact.ended_program},
            fix=f"{tensor}.retain_grad() before backward(), or grad, = torch.autograd.grad(loss, {tensor})",
            count=fact.count,
        )


def _related(fact: NonleafGradRead, subject: str) -> Iterator[Related]:
    if fact.made_at is not None:
        yield Related(fact.made_at, f"{subject} is made here by {fact.made_by or 'an op'}")
