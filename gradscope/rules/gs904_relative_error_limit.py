"""A gradient differs from the numerical derivative by more than a gate allows.

What it finds
    The function or model that `gradscope check` compares with numerical derivatives, where the largest
    relative difference is more than `max-relative-error`. The limit stands beside a target of
    `gradscope check` in `pyproject.toml`:

    ```toml
    [[tool.gradscope.gate.targets]]
    check = "ops.py"
    max-relative-error = 1e-8
    ```

Why it matters
    GS601 reports a gradient that is wrong, and not one that is nearly right: a constant of few digits, or a
    backward that computes in a lower precision than its inputs have. A solver, or a second derivative,
    may need more.

Example
    ```python
    import math

    import torch


    class SineOfDegrees(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return torch.sin(x * (math.pi / 180))

        @staticmethod
        def backward(ctx, grad_output):
            (x,) = ctx.saved_tensors
            return grad_output * torch.cos(x * (math.pi / 180)) * 0.01745329


    gradscope_inputs = {"SineOfDegrees": (60 * torch.rand(4, 3),)}
    ```

Use instead
    ```python
    import math

    import torch


    class SineOfDegrees(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return torch.sin(x * (math.pi / 180))

        @staticmethod
        def backward(ctx, grad_output):
            (x,) = ctx.saved_tensors
            return grad_output * torch.cos(x * (math.pi / 180)) * (math.pi / 180)


    gradscope_inputs = {"SineOfDegrees": (60 * torch.rand(4, 3),)}
    ```

Limits
    Numerical derivatives are exact to about 1e-10 where all is computed in float64, and to about 1e-4 where
    forward computes in float32 inside: a smaller limit fails for no reason. Nothing is said of declared
    approximations, of functions that are piecewise constant, and of gradients that are missing (GS601).
    What could not be compared is not judged.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

from gradscope.facts import Recording
from gradscope.figures import RelativeError, relative_errors
from gradscope.finding import Finding, Note, Severity
from gradscope.rules import rule
from gradscope.rules._checked import measured
from gradscope.rules._limits import figure, stated
from gradscope.rules._words import number

_finding = partial(Finding, "GS904", "relative-error-limit")


@rule("GS904", "relative-error-limit", Severity.ERROR)
def relative_error_limit(recording: Recording) -> Iterator[Finding]:
    """One finding for each function or model beyond the limit, the worst first."""
    limit = recording.limits.max_relative_error
    if limit is None:
        return
    for error in relative_errors(recording):
        if not error.value <= limit:  # also where it is NaN
            yield _judged(recording, error, limit)


def _judged(recording: Recording, error: RelativeError, limit: float) -> Finding:
    what = f"`{error.name}`"
    differs = (
        f"cannot be compared with the numerical derivative ({number(error.value)})"
        if math.isnan(error.value)
        else f"differs from the numerical derivative by {figure(error.value)}"
    )
    return _finding(
        severity=Severity.ERROR,
        message=f"the gradient of {what} {differs}: max-relative-error is {figure(limit)}",
        location=error.location,
        label=f"relative error {figure(error.value)}",
        subjects=(error.wrong.input_name,) if error.wrong is not None else (),
        related=stated(recording.limits),
        notes=tuple(_notes(error)),
        evidence={
            "model" if error.is_model else "function": error.name,
            "error": error.value,
            "limit": limit,
        },
        fix=_fix(error),
    )


def _notes(error: RelativeError) -> Iterator[Note]:
    wrong = error.wrong
    if wrong is None:
        return
    element = f"[{', '.join(map(str, wrong.element))}]" if wrong.element else ""
    numerical = measured(wrong.numerical, wrong.uncertainty)
    values = f"analytical {number(wrong.analytical)}, numerical {numerical}"
    yield Note("worst", f"{wrong.input_name}{element}: {values}")
    if wrong.pattern_text:
        yield Note("pattern", wrong.pattern_text)


def _fix(error: RelativeError) -> str:
    raised = "raise max-relative-error where no more is needed"
    if error.is_model:
        return f"gradscope check names the module whose backward is at fault, where one is; {raised}"
    return f"write constants with all their digits, compute in the precision of the inputs; {raised}"
