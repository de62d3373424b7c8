"""A gradient loses its second derivative without a word, or has a wrong one.

What it finds
    A backward whose own derivative is dropped (it works with `.detach()`, NumPy, or numbers that forward
    computed without a graph) or is another than the numerical one. An error where the program was seen to
    differentiate twice, information where its calls were seen and it did not, and a warning where no call
    was seen. A backward that is declared `@once_differentiable` is an error where the program does
    differentiate through it, and silent otherwise.

Why it matters
    Gradient penalties, forces, meta-learning and Hessian products differentiate a gradient. Where it has no
    graph, its part of the second derivative counts as zero: no error, a loss that does not train. Even
    `@once_differentiable` raises only where the incoming gradient needs a gradient itself.

Example
    ```python
    import torch


    class Swish(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            gate = torch.sigmoid(x)
            ctx.save_for_backward(x, gate)
            return x * gate

        @staticmethod
        def backward(ctx, grad_output):
            x, gate = ctx.saved_tensors
            return grad_output * gate * (1 + x * (1 - gate))


    gradscope_inputs = {"Swish": (torch.randn(4, 3),)}
    ```

Use instead
    ```python
    import torch


    class Swish(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * torch.sigmoid(x)

        @staticmethod
        def backward(ctx, grad_output):
            (x,) = ctx.saved_tensors
            gate = torch.sigmoid(x)
            return grad_output * gate * (1 + x * (1 - gate))


    gradscope_inputs = {"Swish": (torch.randn(4, 3),)}
    ```

Limits
    Silent where the second derivative is zero anyway, where a second backward raises an error of its own,
    and where the first gradient is wrong or approximate: that comes first. The line that cuts is told where
    it is in backward, or where forward keeps what it computed itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from gradscope.facts import Recording
from gradscope.facts.checks import CheckedFunction, DoubleFault, Origin, WrongDouble
from gradscope.finding import Finding, Note, Related, Severity
from gradscope.rules import rule
from gradscope.rules._checked import backward_place, measured
from gradscope.rules._words import listing, number

_finding = partial(Finding, "GS603", "double-backward")


@rule("GS603", "double-backward", Severity.ERROR)
def double_backward(recording: Recording) -> Iterator[Finding]:
    """One finding for each function whose second derivative is lost, or wrong."""
    for checked in recording.checked:
        doubles = [one for one in checked.wrong_doubles if one.silent and _counts(one)]
        if doubles:
            yield _judged(checked, doubles)


def _counts(double: WrongDouble) -> bool:
    """A declared one is the program's own affair until it differentiates twice."""
    return double.used_at is not None or not double.declared


def _judged(checked: CheckedFunction, doubles: list[WrongDouble]) -> Finding:
    worst = max(doubles, key=_size)
    names = tuple(dict.fromkeys(double.input_name for double in doubles))
    cut = next((double for double in doubles if double.because is not None), worst)
    because = (Related(cut.because, cut.because_text),) if cut.because is not None else ()
    used = (Related(worst.used_at, "differentiated again here"),) if worst.used_at is not None else ()
    return _finding(
        severity=_severity(checked, worst),
        message=_message(checked, worst, names),
        location=backward_place(checked),
        label=_label(worst),
        subjects=names,
        related=(*because, *used),
        notes=_notes(worst),
        evidence={
            "function": checked.name,
            "fault": worst.fault.value,
            "input": worst.input_name,
            "declared": worst.declared,
            "differentiated_twice": worst.used_at is not None,
            "analytical": worst.analytical,
            "numerical": worst.numerical,
            "uncertainty": worst.uncertainty,
        },
        fix=_fix(worst, cut),
    )


def _severity(checked: CheckedFunction, double: WrongDouble) -> Severity:
    """A program that ran and never differentiated twice is in order; a library's users may."""
    if double.used_at is not None:
        return Severity.ERROR
    seen = any(sample.origin is Origin.CAPTURED for sample in checked.samples)
    return Severity.INFO if seen else Severity.WARNING


def _size(double: WrongDouble) -> float:
    return abs((double.numerical or 0.0) - (double.analytical or 0.0))


def _message(checked: CheckedFunction, double: WrongDouble, names: tuple[str, ...]) -> str:
    by = listing([f"`{name}`" for name in names])
    match double.fault:
        case DoubleFault.ONCE:
            return (
                f"`{checked.name}` is once_differentiable, and the program differentiates its gradient: "
                f"the second derivative by {by} is lost"
            )
        case DoubleFault.DROPPED:
            return f"the gradient of `{checked.name}` drops its own derivative by {by} without a word"
        case _:
            return f"the gradient of `{checked.name}` has a wrong derivative by {by}"


def _label(double: WrongDouble) -> str:
    if double.fault is DoubleFault.WRONG:
        return "its own backward is not its derivative"
    return "what it returns has no graph"


def _notes(double: WrongDouble) -> tuple[Note, ...]:
    right = measured(double.numerical, double.uncertainty)
    got = number(double.analytical) if double.analytical is not None else "nothing, which counts as 0"
    notes = [
        Note("second derivative", f"by `{double.input_name}`: autograd gives {got}, numerically {right}")
    ]
    if double.fault is DoubleFault.ONCE:
        text = "it raises only where the incoming gradient itself needs a gradient; from a loss it does not"
        notes.append(Note("because", text))
    return tuple(notes)


def _fix(double: WrongDouble, cut: WrongDouble) -> str:
    if double.declared:
        return (
            "compute the backward with torch ops on saved inputs and outputs, and remove @once_differentiable"
        )
    if cut.because_text.startswith("forward"):
        way = "save the inputs themselves and compute this again in backward"
    else:
        way = "compute the backward with torch ops on saved inputs and outputs"
    if double.used_at is not None:
        return way
    return f"{way}; or decorate backward with `@once_differentiable` if nobody should differentiate it"
