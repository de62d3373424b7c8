"""backward() on a value that has no graph: no parameter can get a gradient from it.

What it finds
    A `backward()` or `autograd.grad()` on a tensor that requires no gradient. The finding is on the
    line that lost the graph (a `detach()`, a `torch.no_grad()` block, a `.item()`, ...), or on the
    backward where the value never had one.

Why it matters
    Torch raises "element 0 of tensors does not require grad and does not have a grad_fn". It names
    the backward, and the cause is usually many lines above it.

Example
    ```python
    import torch

    x = torch.ones(3, requires_grad=True)
    y = x * 2
    z = y.detach()
    (z * 2).sum().backward()
    ```

Use instead
    ```python
    import torch

    x = torch.ones(3, requires_grad=True)
    y = x * 2
    (y * 2).sum().backward()
    ```

Limits
    A value that went through a file, another process or an extension that torch cannot see has no
    line to name; the finding then stands at the backward. Where the program catches the exception
    itself, the finding is information only, unless the backward of that line fails again and again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from gradscope.facts import CutKind, MissingGraph, Recording
from gradscope.finding import Confidence, Finding, Location, Note, Related, Severity
from gradscope.rules import rule
from gradscope.rules._cuts import cut_fix, cut_label, cut_location, cut_related, cut_words
from gradscope.rules._exits import left_by_names
from gradscope.rules._parts import argument, method, receiver
from gradscope.rules._source import snippet
from gradscope.rules._words import caught, ended, keeps_failing, other_places, path_text, quoted

_finding = partial(Finding, "GS101", "no-graph")


@rule("GS101", "no-graph", Severity.ERROR)
def no_graph(recording: Recording) -> Iterator[Finding]:
    """One finding for each backward on a value without a graph, unless a gradient call lost it (GS303)."""
    for fact in recording.missing_graphs:
        if fact.cuts and fact.cuts[0].kind is CutKind.GRAD_CALL:
            continue
        fact = fact if fact.cuts else left_by_names(recording, fact)
        yield _after_a_cut(recording, fact) if fact.cuts else _without_a_cut(recording, fact)


def differentiated(recording: Recording, location: Location | None) -> str | None:
    """The name or expression that a backward or grad call differentiates, where its line shows it."""
    text = snippet(recording, location)
    if method(text) == "backward" and receiver(text) not in (None, "torch.autograd", "autograd"):
        return receiver(text)
    return argument(text)


def _after_a_cut(recording: Recording, fact: MissingGraph) -> Finding:
    cut = fact.cuts[0]
    location = cut_location(cut) or fact.location
    subject, what = quoted(differentiated(recording, fact.location), "the value"), cut_words(recording, cut)
    related = [*cut_related(cut), *_backward(fact, location)]
    related[-1:-1] = [
        Related(where, "and stops here again")
        for where in other_places([cut_location(other) for other in fact.cuts[1:]], than=location)
    ]
    return _finding(
        severity=ended(fact.ended_program, keeps_failing=keeps_failing(recording, fact.location)),
        message=f"{fact.call}() on {subject}, which has no graph: the gradient stopped at {what}",
        location=location,
        confidence=Confidence.CERTAIN if cut.certain else Confidence.PROBABLE,
        label=cut_label(cut),
        related=tuple(related),
        notes=(*_path(recording, fact, location), *caught(fact.ended_program)),
        evidence={"call": fact.call, "cuts": [other.kind.value for other in fact.cuts]},
        fix=cut_fix(recording, cut),
    )


def _without_a_cut(recording: Recording, fact: MissingGraph) -> Finding:
    location = fact.grad_disabled or fact.location
    subject = quoted(differentiated(recording, fact.location), "the value")
    if fact.grad_disabled is not None:
        why = "gradients were switched off"
        label = "from here on nothing gets a graph"
        fix = "compute the loss where gradients are on: torch.set_grad_enabled(True)"
    elif recording.leaves and not any(leaf.requires_grad for leaf in recording.leaves):
        count = len(recording.leaves)
        why = f"every tensor it could depend on is frozen ({count:,} {'leaf' if count == 1 else 'leaves'})"
        label = "nothing behind this value requires a gradient"
        fix = "requires_grad_(True) on what is to be trained, before the forward pass"
    else:
        why = "no tensor that it was computed from requires a gradient"
        label = "nothing behind this value requires a gradient"
        fix = "requires_grad_() on the tensor to differentiate by, before it is used"
    return _finding(
        severity=ended(fact.ended_program, keeps_failing=keeps_failing(recording, fact.location)),
        message=f"{fact.call}() on {subject}, which has no graph: {why}",
        location=location,
        label=label,
        related=tuple(_backward(fact, location)),
        notes=(*_path(recording, fact, location), *caught(fact.ended_program)),
        evidence={"call": fact.call, "cuts": []},
        fix=fix,
    )


def _backward(fact: MissingGraph, primary: Location | None) -> list[Related]:
    where = other_places([fact.location], than=primary)
    return [Related(place, f"this {fact.call}() has no graph to walk") for place in where]


def _path(recording: Recording, fact: MissingGraph, home: Location | None) -> tuple[Note, ...]:
    if len(fact.path) < 2:
        return ()
    named = (other.leaf for other in recording.severed if other.path[1:] == fact.path[1:])
    first = replace(fact.path[0], op=next(named, fact.path[0].op))
    return (Note("path of the value", path_text((first, *fact.path[1:]), home)),)
