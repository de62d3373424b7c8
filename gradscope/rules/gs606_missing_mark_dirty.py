"""Forward changes an input in place and does not tell autograd.

What it finds
    The line of forward that writes into an input, of a function that does not call `ctx.mark_dirty` with
    it, where a gradient depends on that input or it is returned. Also past the version counter, through
    `.data`, `.detach()` or NumPy.

Why it matters
    Autograd then takes the tensor for what it was before: the caller's own history of it does not include
    this function, so gradients through it are those of another value or lost; what other ops had saved of
    it is spoilt. `gradcheck` passes.

Example
    ```python
    import torch


    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            x.mul_(2)
            return x

        @staticmethod
        def backward(ctx, grad_output):
            return 2 * grad_output


    gradscope_inputs = {"Double": (torch.randn(4, 3),)}
    ```

Use instead
    ```python
    import torch


    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            x.mul_(2)
            ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx, grad_output):
            return 2 * grad_output


    gradscope_inputs = {"Double": (torch.randn(4, 3),)}
    ```

Limits
    Buffers are silent: running statistics that no output depends on and that get no gradient. A change that
    forward takes back before it returns is none.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from gradscope.facts import Recording
from gradscope.facts.checks import CheckedFunction, UnmarkedWrite
from gradscope.finding import Finding, Note, Severity
from gradscope.rules import rule

_finding = partial(Finding, "GS606", "missing-mark-dirty")


@rule("GS606", "missing-mark-dirty", Severity.ERROR)
def missing_mark_dirty(recording: Recording) -> Iterator[Finding]:
    """One finding for each input that changes unmarked and matters."""
    for checked in recording.checked:
        for write in checked.unmarked_writes:
            if write.matters:
                yield _judged(checked, write)


def _judged(checked: CheckedFunction, write: UnmarkedWrite) -> Finding:
    return _finding(
        severity=Severity.ERROR,
        message=f"`{checked.name}` changes its input `{write.input_name}` in place and does not say so",
        location=write.location or checked.forward or checked.location,
        label="changes the input in place" + (", past its version counter" if write.past_version else ""),
        subjects=(write.input_name,),
        notes=_notes(write),
        evidence={
            "function": checked.name,
            "input": write.input_name,
            "returned": write.returned,
            "past_version": write.past_version,
        },
        fix=_fix(write),
    )


def _notes(write: UnmarkedWrite) -> tuple[Note, ...]:
    text = "autograd goes on as if it had the value from before: gradients of what uses it next are wrong"
    notes = [Note("because", text)]
    if write.past_version:
        text = "the version counter did not move, so torch cannot notice what it spoils"
        notes.append(Note("also", text))
    return tuple(notes)


def _fix(write: UnmarkedWrite) -> str:
    name = write.input_name
    if not write.returned:
        return f"work on a copy (`{name} = {name}.clone()`), or call `ctx.mark_dirty({name})` and return it"
    if write.past_version:
        return f"write into `{name}` itself (no .data, no NumPy), call `ctx.mark_dirty({name})` and return it"
    return f"call `ctx.mark_dirty({name})` in forward and return `{name}` itself"
