"""An input or an output is kept as an attribute of `ctx`, past `save_for_backward`.

What it finds
    The assignment `ctx.x = x` of a tensor that is an input or an output of the function, or shares memory
    with one, also inside a list, tuple or dict.

Why it matters
    What `save_for_backward` keeps is checked: changed in place before backward, it raises. An attribute is
    not: the gradient is computed from the changed values, without a word. An output kept so also holds its
    own graph, and its memory is free only when Python's garbage collector comes by.

Example
    ```python
    import torch


    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.x = x
            return x * x

        @staticmethod
        def backward(ctx, grad_output):
            return 2 * ctx.x * grad_output


    gradscope_inputs = {"Square": (torch.randn(4, 3),)}
    ```

Use instead
    ```python
    import torch


    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, grad_output):
            (x,) = ctx.saved_tensors
            return 2 * x * grad_output


    gradscope_inputs = {"Square": (torch.randn(4, 3),)}
    ```

Limits
    Numbers, sizes and strings belong on `ctx`, and so may tensors that forward computed for itself: silent.
    An error where the program was seen to change such a tensor between forward and backward.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from gradscope.facts import Recording
from gradscope.facts.checks import CheckedFunction, ContextTensor
from gradscope.finding import Finding, Note, Related, Severity
from gradscope.rules import rule
from gradscope.rules._saving import saving
from gradscope.rules._words import listing

_finding = partial(Finding, "GS605", "ctx-attribute-save")


@rule("GS605", "ctx-attribute-save", Severity.WARNING)
def ctx_attribute_save(recording: Recording) -> Iterator[Finding]:
    """One finding for each function that keeps inputs or outputs so, at the first assignment."""
    for checked in recording.checked:
        escaping = _first_of_each([fact for fact in checked.context_tensors if fact.escapes])
        if escaping:
            yield _judged(recording, checked, escaping)


def _first_of_each(facts: Sequence[ContextTensor]) -> list[ContextTensor]:
    """One fact for each attribute: its first tensor, or the first that was seen to change."""
    changed_first = sorted(facts, key=lambda fact: fact.changed_at is None)
    firsts = {fact.attribute: fact for fact in reversed(changed_first)}
    return [firsts[attribute] for attribute in dict.fromkeys(fact.attribute for fact in facts)]


def _judged(recording: Recording, checked: CheckedFunction, facts: list[ContextTensor]) -> Finding:
    changed = [fact for fact in facts if fact.changed_at is not None]
    first = (changed or facts)[0]
    others = [fact for fact in facts if fact is not first]
    location = first.location or checked.forward or checked.location
    return _finding(
        severity=Severity.ERROR if changed else Severity.WARNING,
        message=_message(checked, first),
        location=location,
        label=f"{_held(first)} escapes the version check",
        subjects=tuple(f"ctx.{fact.attribute}" for fact in (first, *others)),
        related=_related(changed, others, location.at if location is not None else None),
        notes=_notes(facts),
        evidence={
            "function": checked.name,
            "attributes": [fact.attribute for fact in (first, *others)],
            "holds": [fact.holds for fact in (first, *others)],
            "bytes": sum(fact.nbytes for fact in facts),
            "leaks": any(fact.leaks for fact in facts),
            "changed": bool(changed),
        },
        fix=saving(recording, checked, [first, *others]),
    )


def _held(fact: ContextTensor) -> str:
    """ "the input `x`", "output 0"."""
    kind, _, name = fact.holds.partition(" ")
    return f"the input `{name}`" if kind == "input" else f"output {name}"


def _message(checked: CheckedFunction, fact: ContextTensor) -> str:
    what = f"`{checked.name}` keeps {_held(fact)} as `ctx.{fact.attribute}`"
    if fact.changed_at is not None:
        return f"{what}, and it is changed in place before backward"
    return f"{what}, where no in-place change of it is noticed"


def _related(
    changed: Sequence[ContextTensor], others: Sequence[ContextTensor], at: tuple[str, int] | None
) -> tuple[Related, ...]:
    places = [
        Related(fact.changed_at, f"ctx.{fact.attribute} is changed here")
        for fact in changed
        if fact.changed_at is not None
    ]
    kept = [
        Related(fact.location, f"{_held(fact)} is kept here")
        for fact in others
        if fact.location is not None and fact.location.at != at
    ]
    return tuple({one.location.at: one for one in (*places, *kept)}.values())


def _notes(facts: Sequence[ContextTensor]) -> tuple[Note, ...]:
    leaking = [f"`ctx.{fact.attribute}`" for fact in facts if fact.leaks]
    if not leaking:
        return ()
    nbytes = sum(fact.nbytes for fact in facts if fact.leaks)
    text = (
        f"{listing(leaking)} is an output, which holds this very ctx as its grad_fn: the cycle keeps "
        f"{nbytes} bytes (at this size) until the garbage collector runs"
    )
    return (Note("memory", text),)
