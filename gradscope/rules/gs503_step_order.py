"""A step comes at the wrong time: it uses no gradient, the wrong one, or the wrong learning rate.

What it finds
    An optimizer that never steps with a gradient, because `zero_grad` comes between backward and step,
    or because no backward fills `.grad`. A step between a forward and its backward. A step past the
    GradScaler, with gradients still multiplied by the loss scale. A warning: a scheduler that steps
    before its optimizer does.

Why it matters
    A step without gradients changes nothing and does not complain. A step inside a pass changes the
    weights that backward is about to use. A step with scaled gradients is thousands of times too long.
    A scheduler that comes first skips the first value of its schedule.

Example
    ```python
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Linear(3, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for step in range(3):
        model(torch.randn(8, 3)).pow(2).mean().backward()
        optimizer.zero_grad()
        optimizer.step()
    ```

Use instead
    ```python
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Linear(3, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for step in range(3):
        optimizer.zero_grad()
        model(torch.randn(8, 3)).pow(2).mean().backward()
        optimizer.step()
    ```

Limits
    A single step without gradients, as some programs make to prepare an optimizer, is silent, and so is
    an optimizer that has a gradient at some of its steps. A step between forward and backward mostly
    makes torch raise: then GS201 says so. A scheduler that is given the epoch is never too early.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from gradscope.facts import Recording, StepOrder, StepOutOfOrder
from gradscope.finding import Finding, Location, Related, Severity
from gradscope.rules import rule
from gradscope.rules._source import snippet
from gradscope.rules._words import other_places, place

_finding = partial(Finding, "GS503", "step-order")


@rule("GS503", "step-order", Severity.ERROR)
def step_order(recording: Recording) -> Iterator[Finding]:
    """One finding for each line that steps at the wrong time."""
    for fact in recording.steps_out_of_order:
        message, label, fix = _WORDS[fact.kind](recording, fact)
        yield _finding(
            severity=Severity.WARNING if fact.kind is StepOrder.SCHEDULER_FIRST else Severity.ERROR,
            message=message,
            location=fact.location,
            label=label,
            related=tuple(_related(fact)),
            evidence={"order": str(fact.kind), "optimizer": fact.optimizer, "scale": fact.scale},
            fix=fix,
            count=fact.count,
        )


def _no_gradient(recording: Recording, fact: StepOutOfOrder) -> tuple[str, str, str]:
    if not fact.grad_call:
        why, fix = "no backward has filled them", "call backward() before the step"
    else:
        why = "torch.autograd.grad returns gradients, and leaves .grad as it is"
        fix = "put them there before the step: for p, g in zip(parameters, gradients): p.grad = g"
    return (
        f"{fact.optimizer} never has a gradient to step with: {why}",
        "every .grad is None at every step",
        fix,
    )


def _zeroed(recording: Recording, fact: StepOutOfOrder) -> tuple[str, str, str]:
    step, backward = place(fact.location, fact.location), place(fact.backward, fact.location)
    zeroing = snippet(recording, fact.other) or "zero_grad()"
    if _comes_before(fact.location, fact.backward):
        return (
            f"{fact.optimizer} steps before backward: the gradients are zeroed before they are used",
            f"every gradient is gone: that of {backward} comes only after this step",
            f"step after {backward}",
        )
    thrown = f"{fact.optimizer} steps with no gradient: they are zeroed between backward and step"
    where = f" (line {fact.other.line})" if fact.other else ""
    return (
        thrown,
        f"what the backward of {backward} gave is gone",
        f"move {zeroing}{where} before {backward}, or after {step}",
    )


def _inside_pass(recording: Recording, fact: StepOutOfOrder) -> tuple[str, str, str]:
    backward = place(fact.backward, fact.location)
    return (
        f"{fact.optimizer} steps between a forward and its backward: the gradient belongs to other weights",
        "changes the weights that this pass has used",
        f"step after {backward}, or compute the loss anew after the step",
    )


def _past_scaler(recording: Recording, fact: StepOutOfOrder) -> tuple[str, str, str]:
    times = f"{fact.scale:,.0f} times" if fact.scale is not None else "many times"
    return (
        f"{fact.optimizer} steps past the GradScaler: its gradients are {times} too large",
        "uses gradients that are still multiplied by the loss scale",
        "scaler.step(optimizer), then scaler.update()",
    )


def _scheduler_first(recording: Recording, fact: StepOutOfOrder) -> tuple[str, str, str]:
    step = place(fact.other, fact.location)
    return (
        f"the scheduler steps before {fact.optimizer} does: the first value of its schedule is skipped",
        "one step ahead of the optimizer",
        f"call {snippet(recording, fact.location) or 'scheduler.step()'} after the step of {step}",
    )


_WORDS = {
    StepOrder.NO_GRADIENT: _no_gradient,
    StepOrder.ZEROED: _zeroed,
    StepOrder.INSIDE_PASS: _inside_pass,
    StepOrder.PAST_SCALER: _past_scaler,
    StepOrder.SCHEDULER_FIRST: _scheduler_first,
}


def _comes_before(step: Location | None, backward: Location | None) -> bool:
    """Whether the step is written above the backward, in the same function."""
    if step is None or backward is None:
        return False
    same = (step.path, step.function) == (backward.path, backward.function)
    return same and step.line < backward.line


def _related(fact: StepOutOfOrder) -> Iterator[Related]:
    other = {
        StepOrder.ZEROED: "zeroed here, before the step",
        StepOrder.SCHEDULER_FIRST: "the optimizer steps here",
    }
    made = "makes gradients" if fact.kind is StepOrder.INSIDE_PASS else "made the gradients"
    described = (
        (fact.backward, f"this autograd.grad {made}" if fact.grad_call else f"this backward {made}"),
        (fact.other, other.get(fact.kind, "")),
    )
    messages = {where.at: message for where, message in described if where}
    for where in other_places([where for where, _ in described], than=fact.location):
        yield Related(where, messages[where.at])
