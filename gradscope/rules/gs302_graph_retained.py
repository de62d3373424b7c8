"""Something keeps the graphs of old steps alive: memory grows with every step.

What it finds
    A running sum, a list or an attribute that holds tensors with a graph of three or more past steps,
    and the statement that put them there.

Why it matters
    A loss that is added up or stored for a log keeps every activation of its step. The run slows down
    and ends out of memory, hours later and somewhere else.

Example
    ```python
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    total = 0
    for step in range(8):
        loss = model(torch.randn(8, 4)).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss
    ```

Use instead
    ```python
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    total = 0
    for step in range(8):
        loss = model(torch.randn(8, 4)).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.detach()
    ```

Limits
    Graphs that are kept on purpose for a later backward over several steps look the same until that
    backward comes. What an extension holds is not seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from gradscope import syntax
from gradscope.facts import Recording, RetainedGraph
from gradscope.finding import Confidence, Finding, Location, Related, Severity
from gradscope.rules import rule
from gradscope.rules._rewrites import keeping_detached
from gradscope.rules._source import statement
from gradscope.rules._words import counted, first_place, quoted

_finding = partial(Finding, "GS302", "graph-retained")
_FEWEST_STEPS = 3


@rule("GS302", "graph-retained", Severity.WARNING)
def graph_retained(recording: Recording) -> Iterator[Finding]:
    """One finding for each holder of at least three old steps."""
    for fact in recording.retained_graphs:
        if fact.steps >= _FEWEST_STEPS:
            yield _finding_for(recording, fact)


def _finding_for(recording: Recording, fact: RetainedGraph) -> Finding:
    location = first_place(fact.kept_at, fact.made_at)
    holder = quoted(fact.holder, "something")
    kept = (
        "adds to a graph that grows with every step"
        if fact.accumulated
        else "stores a tensor with its whole graph"
    )
    return _finding(
        severity=Severity.WARNING,
        message=f"{holder} keeps the graphs of {counted(fact.steps, 'old step')} alive",
        location=location,
        confidence=Confidence.CERTAIN if fact.exact and fact.kept_at is not None else Confidence.PROBABLE,
        label=kept if fact.kept_at is not None else "a tensor made here is still held, with its graph",
        subjects=(fact.holder,) if fact.holder else (),
        related=tuple(_related(fact)),
        evidence={"steps": fact.steps, "accumulated": fact.accumulated, "op": fact.op},
        fix=_fix(recording, fact),
    )


def _related(fact: RetainedGraph) -> Iterator[Related]:
    if fact.kept_at is not None and fact.made_at is not None and fact.made_at.at != fact.kept_at.at:
        yield Related(fact.made_at, f"what is kept is made here{f' by {fact.op}' if fact.op else ''}")


def _fix(recording: Recording, fact: RetainedGraph) -> str:
    line = statement(recording, fact.kept_at)
    new = keeping_detached(line) if line and not _keeps_several(recording, fact.kept_at, line) else None
    if new is not None:
        return f"{new} (or .item(), for a Python number)"
    return "keep the value without its graph: .detach(), or .item() for a Python number"


def _keeps_several(recording: Recording, location: Location | None, line: str) -> bool:
    """Whether the statement stores a function's `*args` or `**kwargs`, which have no `.detach()`."""
    if location is None:
        return False
    text = "\n".join(recording.sources.get(location.path, ()))
    return any(
        re.search(rf"\b{name}\b(?!\s*[.\[])", line) for name in syntax.gathered_names(text, location.line)
    )
