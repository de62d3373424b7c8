"""A backward walked into a graph that an earlier backward had already freed.

What it finds
    Torch's "Trying to backward through the graph a second time". Where each step hands a tensor to the
    next (a hidden state, a running average), the finding is on the line that carries it. Where something
    trained was computed once, before the loop, it is on that computation. Else (several losses of one
    graph) it is on the second backward.

Why it matters
    Backward frees what the graph saved. Torch names only the backward that failed, while the tensor
    that leads into the old graph is elsewhere.

Example
    ```python
    import torch
    from torch import nn

    torch.manual_seed(0)
    cell = nn.RNNCell(2, 3)
    hidden = torch.zeros(1, 3)
    for step in range(2):
        hidden = cell(torch.randn(1, 2), hidden)
        hidden.pow(2).sum().backward()
    ```

Use instead
    ```python
    import torch
    from torch import nn

    torch.manual_seed(0)
    cell = nn.RNNCell(2, 3)
    hidden = torch.zeros(1, 3)
    for step in range(2):
        hidden = cell(torch.randn(1, 2), hidden.detach())
        hidden.pow(2).sum().backward()
    ```

Limits
    A graph that saved nothing (`x + 2`) may be walked twice, and is silent, as in torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from gradscope.facts import Recording, SecondBackward
from gradscope.finding import Finding, Location, Note, Related, Severity
from gradscope.rules import rule
from gradscope.rules._parts import assigned_name, with_keyword
from gradscope.rules._source import snippet, statement
from gradscope.rules._words import (
    caught,
    ended,
    first_place,
    keeps_failing,
    node_words,
    other_places,
    path_text,
    place,
    quoted,
)

_finding = partial(Finding, "GS301", "backward-twice")


@rule("GS301", "backward-twice", Severity.ERROR)
def backward_twice(recording: Recording) -> Iterator[Finding]:
    """One finding for each backward that met a freed graph."""
    for fact in recording.second_backwards:
        if fact.carriers and fact.recurrent:
            yield _carried_over(recording, fact)
        elif fact.carriers and fact.stepped and _is_one_line(fact):
            yield _built_once(recording, fact)
        else:
            yield _walked_again(recording, fact)


def _is_one_line(fact: SecondBackward) -> bool:
    """Whether one backward line freed the graph and ran into it."""
    return fact.location is not None and fact.freed_by is not None and fact.location.at == fact.freed_by.at


def _carried_over(recording: Recording, fact: SecondBackward) -> Finding:
    carrier = fact.carriers[0]
    location = first_place(carrier.location, fact.location)
    line = statement(recording, carrier.location)
    name = fact.subject or assigned_name(line, used_too=True)
    freed = f" of {place(fact.freed_by, location)}" if fact.freed_by else ""
    what = name or "the tensor that is carried over"
    return _finding(
        severity=ended(fact.ended_program, keeps_failing=keeps_failing(recording, fact.location)),
        message=f"backward runs into the graph of an earlier step, which the backward{freed} has freed",
        location=location,
        label=f"{quoted(name, 'a tensor')} carries the old graph into this step",
        subjects=(name,) if name else (),
        related=tuple(_related(fact, location)),
        notes=(*_ways(fact, location), *caught(fact.ended_program)),
        evidence={"node": fact.node, "carriers": [step.op for step in fact.carriers]},
        fix=f"{what} = {what}.detach() before {place(location, location)}, at the start of each step"
        if name
        else ".detach() what one step hands to the next",
    )


def _ways(fact: SecondBackward, location: Location | None) -> tuple[Note, ...]:
    if len(fact.carriers) < 2:
        return ()
    steps = [replace(step, op=node_words(step.op)) for step in fact.carriers]
    return (Note("carried by", path_text(steps, location)),)


def _built_once(recording: Recording, fact: SecondBackward) -> Finding:
    location = first_place(fact.built_by, fact.node_at, fact.location)
    used_at = [step.location for step in fact.carriers]
    related = [Related(where, "it is used again here") for where in other_places(used_at, than=location)]
    lines = {where.at for where in (location, *used_at) if where}
    return _finding(
        severity=ended(fact.ended_program, keeps_failing=keeps_failing(recording, fact.location)),
        message=f"{quoted(fact.subject, 'this graph')} is built once and used in every step, "
        f"but the backward of {place(fact.freed_by, location)} frees its graph",
        location=location,
        label="not computed again since that backward",
        subjects=(fact.subject,) if fact.subject else (),
        related=(*related, *(one for one in _related(fact, location) if one.location.at not in lines)),
        notes=caught(fact.ended_program),
        evidence={"node": fact.node, "carriers": [step.op for step in fact.carriers]},
        fix="compute it anew in every step, since it depends on what is trained: "
        f"{statement(recording, location)}",
    )


def _walked_again(recording: Recording, fact: SecondBackward) -> Finding:
    if not _is_one_line(fact):
        where = f" of {place(fact.freed_by, fact.location)}" if fact.freed_by else ""
        message = f"a second backward walks a graph that the backward{where} has freed"
        fix = _two_backwards(recording, fact)
    elif fact.stepped:
        message = "the same graph is walked again: it was built once, before the loop"
        fix = "compute the loss anew in each iteration"
    else:
        message = "several backwards walk one graph, and the first has freed it"
        fix = "add the losses up and call backward() once, or pass retain_graph=True to all but the last"
    return _finding(
        severity=ended(fact.ended_program, keeps_failing=keeps_failing(recording, fact.location)),
        message=message,
        location=fact.location,
        label="the values saved for this backward are gone",
        subjects=(fact.subject,) if fact.subject else (),
        related=tuple(_related(fact, fact.location)),
        notes=caught(fact.ended_program),
        evidence={"node": fact.node, "carriers": [step.op for step in fact.carriers]},
        fix=fix,
    )


def _two_backwards(recording: Recording, fact: SecondBackward) -> str:
    """What to do about two lines of backward; a detach may be meant only if an optimizer stepped between."""
    fix = "add the losses up and call backward() once"
    first = with_keyword(snippet(recording, fact.freed_by), "retain_graph=True") if fact.freed_by else None
    fix += f", or keep the graph in {place(fact.freed_by, fact.location)}: {first}" if first else ""
    if not fact.carriers or not fact.stepped or not fact.subject:
        return fix
    return (
        f"use {fact.subject}.detach() in the loss of {place(fact.freed_by, fact.location)}, if that is not "
        f"to train what makes `{fact.subject}` (a GAN's discriminator); else {fix}"
    )


def _related(fact: SecondBackward, primary: Location | None) -> Iterator[Related]:
    again = "this backward freed the graph"
    if fact.freed_by == fact.location:
        again = "this backward freed the graph one step earlier, and runs into it now"
    belongs = "is in both graphs" if fact.carriers else "belongs to the graph that was freed"
    described = (
        (fact.node_at, f"{node_words(fact.node or '') or 'a node'} {belongs}"),
        (fact.freed_by, again),
        (fact.location, "this backward runs into it"),
    )
    messages = {where.at: message for where, message in reversed(described) if where}
    for where in other_places([where for where, _ in described], than=primary):
        yield Related(where, messages[where.at])
