"""A gradient was used in a loss, but it was computed without create_graph.

What it finds
    An `autograd.grad` (or a read of `.grad`) whose result joins a loss: a gradient penalty, a
    Hessian-vector product, a meta-learning step. Without `create_graph=True` that result is a
    constant.

Why it matters
    The penalty changes the loss and not one gradient: training goes on as if it were not there. Only
    where nothing else is in the loss does torch raise.

Example
    ```python
    import torch
    from torch import nn

    torch.manual_seed(0)
    critic = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
    optimizer = torch.optim.SGD(critic.parameters(), lr=0.1)
    for _ in range(2):
        x = torch.randn(8, 4, requires_grad=True)
        score = critic(x)
        slope, = torch.autograd.grad(score.sum(), x, retain_graph=True)
        loss = score.mean() + (slope.norm(dim=1) - 1).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    ```

Use instead
    ```python
    import torch
    from torch import nn

    torch.manual_seed(0)
    critic = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
    optimizer = torch.optim.SGD(critic.parameters(), lr=0.1)
    for _ in range(2):
        x = torch.randn(8, 4, requires_grad=True)
        score = critic(x)
        slope, = torch.autograd.grad(score.sum(), x, create_graph=True)
        loss = score.mean() + (slope.norm(dim=1) - 1).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    ```

Limits
    Only terms of a loss are found, and residuals in one: sums, their powers and norms, and the losses
    that compare two tensors. A gradient that enters a network (an adversarial example), weighs a loss,
    moves a leaf (a first-order meta-step) or is a frozen network's is used without a graph on purpose.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from gradscope.facts import CutKind, GradWithoutGraph, MissingGraph, Recording
from gradscope.finding import Finding, Location, Note, Related, Severity
from gradscope.rules import rule
from gradscope.rules._cuts import grad_fix
from gradscope.rules._words import caught, ended, first_place, keeps_failing, listing, other_places, path_text

_finding = partial(Finding, "GS303", "missing-create-graph")
_LABEL = "without create_graph=True the result is a constant"


@rule("GS303", "missing-create-graph", Severity.ERROR)
def missing_create_graph(recording: Recording) -> Iterator[Finding]:
    """One finding for each gradient call whose result a loss cannot be differentiated through."""
    for fact in recording.grads_without_graph:
        yield _dead_term(recording, fact)
    for missing in recording.missing_graphs:
        if missing.cuts and missing.cuts[0].kind is CutKind.GRAD_CALL:
            yield _no_graph_at_all(recording, missing)


def _dead_term(recording: Recording, fact: GradWithoutGraph) -> Finding:
    of = f" with respect to {listing(fact.inputs)}" if fact.inputs else ""
    return _finding(
        severity=Severity.ERROR,
        message=f"the gradient{of} is part of the loss, but backward cannot differentiate it",
        location=first_place(fact.location, fact.used, fact.backward),
        label=_LABEL,
        subjects=fact.inputs,
        related=(
            *_at(fact.used, "it joins the loss here, and adds nothing to any gradient", fact.location),
            *_at(fact.backward, "this backward stops at it", fact.location),
        ),
        evidence={"ended_program": False},
        fix=grad_fix(recording, fact.location),
        count=fact.count,
    )


def _no_graph_at_all(recording: Recording, fact: MissingGraph) -> Finding:
    cut = fact.cuts[0]
    location = first_place(cut.location, fact.location)
    return _finding(
        severity=ended(fact.ended_program, keeps_failing=keeps_failing(recording, fact.location)),
        message=f"{fact.call}() on a value that was computed from a gradient without a graph",
        location=location,
        label=_LABEL,
        related=tuple(_at(fact.location, f"this {fact.call}() has no graph to walk", location)),
        notes=(
            *((Note("path of the value", path_text(fact.path, location)),) if len(fact.path) > 1 else ()),
            *caught(fact.ended_program),
        ),
        evidence={"ended_program": fact.ended_program},
        fix=grad_fix(recording, cut.location),
    )


def _at(where: Location | None, message: str, primary: Location | None) -> list[Related]:
    return [Related(known, message) for known in other_places([where], than=primary)]
