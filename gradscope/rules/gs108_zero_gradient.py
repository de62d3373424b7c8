"""A gradient that is exactly zero: something in the forward pass has no slope.

What it finds
    Parameters whose gradient was exactly 0 in every backward of the run, and the op whose backward
    got a gradient and passed on only zeros: a ReLU with no positive input, `round` or `sign`, a
    saturated sigmoid, a softmax over one element, a factor or a mask of zeros. Where a hook of the
    program gives the zeros, it is the line that registered the hook.

Why it matters
    A zero gradient is not a missing one: nothing warns, `.grad` is there, and the parameter stays
    where it is for ever.

Example
    ```python
    import torch
    from torch import nn

    torch.manual_seed(0)
    layer, head = nn.Linear(4, 3), nn.Linear(3, 1)
    optimizer = torch.optim.SGD([*layer.parameters(), *head.parameters()], lr=0.1)
    for _ in range(3):
        loss = head(torch.round(layer(torch.randn(8, 4)))).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    ```

Use instead
    ```python
    import torch
    from torch import nn

    torch.manual_seed(0)
    layer, head = nn.Linear(4, 3), nn.Linear(3, 1)
    optimizer = torch.optim.SGD([*layer.parameters(), *head.parameters()], lr=0.1)
    for _ in range(3):
        hidden = layer(torch.randn(8, 4))
        hidden = hidden + (torch.round(hidden) - hidden).detach()
        loss = head(hidden).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    ```

Limits
    Silent where the zero comes from a factor that starts at 0 and is trained (LoRA, zero-initialised
    residual branches) until a step has moved it, from `0.0 * x` written in the source, from a layer's
    input that was all zeros in the only backward (a first hidden state), and for a tensor that nothing
    trains in a program that differentiates once: there 0 is simply the answer.
    Single units that are dead among living ones are not found; the table of parameters shows their share.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from gradscope.facts import Leaf, Recording, ZeroedAt
from gradscope.finding import Finding, Location, Note, Related, Severity
from gradscope.rules import rule
from gradscope.rules._factors import LAYERS
from gradscope.rules._source import replaced, snippet, statement
from gradscope.rules._words import by_name, grouped, noun_for, other_places, spoken, stem, unique, verb
from gradscope.rules._zeros import saved, zero_fix, zero_reason

_finding = partial(Finding, "GS108", "zero-gradient")


@rule("GS108", "zero-gradient", Severity.WARNING)
def zero_gradient(recording: Recording) -> Iterator[Finding]:
    """One finding for each set of leaves that the same ops leave without a slope."""
    groups: dict[frozenset[str], list[ZeroedAt]] = {}
    leaves = by_name(recording)
    for fact in sorted(recording.zeroed, key=_is_data):
        if not (fact.constant_factor or _is_starting(recording, fact) or _is_first_input(fact)):
            zero = frozenset(name for name in fact.leaves if _stays_zero(leaves.get(name), fact))
            if zero:
                groups.setdefault(zero, []).append(fact)
    severity = Severity.ERROR if _all_zero(recording) else Severity.WARNING
    fed = _fed_by_zeros(groups)
    for names, facts in groups.items():
        if names not in fed:
            dead = fed if any(map(_gives_zeros, facts)) else []
            yield _finding_for(recording, facts, names, frozenset[str]().union(*dead), severity)


def _is_data(fact: ZeroedAt) -> bool:
    """Whether the factor of zeros was computed, rather than a parameter."""
    return fact.factor is not None and not fact.factor_is_leaf


def _gives_zeros(fact: ZeroedAt) -> bool:
    """A rectifier all of whose results are 0, or a mask of zeros: so is what the next layer multiplies."""
    if stem(fact.node) == "Mul" and _is_data(fact):
        return True
    result = saved(fact.saved, "result")
    return fact.factor is None and result is not None and result.zeros == result.numel


def _fed_by_zeros(groups: dict[frozenset[str], list[ZeroedAt]]) -> list[frozenset[str]]:
    """The leaves of layers whose input is all zeros because of a dead op, which is then the finding."""
    if not any(map(_gives_zeros, (fact for facts in groups.values() for fact in facts))):
        return []
    return [
        names
        for names, facts in groups.items()
        if all(_is_data(fact) and stem(fact.node) in LAYERS for fact in facts)
    ]


def _is_starting(recording: Recording, fact: ZeroedAt) -> bool:
    """A factor that is itself trained, starts at 0, and has not been moved by a step yet."""
    factor = recording.leaf(fact.factor) if fact.factor_is_leaf and fact.factor else None
    if factor is None or not factor.zero_at_start:
        return False
    moves = factor.requires_grad and factor.gradient is not None and not _is_zero(factor)
    return moves and (fact.backwards == 1 or recording.steps <= 1)


def _is_first_input(fact: ZeroedAt) -> bool:
    """A layer whose input was all zeros in the only backward seen: an initial hidden state."""
    return _is_data(fact) and fact.backwards == 1 and stem(fact.node) in LAYERS


def _is_zero(leaf: Leaf) -> bool:
    gradient = leaf.gradient
    return gradient is not None and gradient.backwards > 0 and gradient.zero_backwards == gradient.backwards


def _stays_zero(leaf: Leaf | None, fact: ZeroedAt) -> bool:
    if leaf is None or not leaf.requires_grad or not _is_zero(leaf):
        return False
    trained = leaf.is_parameter or bool(leaf.optimizers)
    return trained or fact.backwards > 1


def _all_zero(recording: Recording) -> bool:
    learning = [leaf for leaf in recording.leaves if leaf.requires_grad and leaf.gradient is not None]
    return all(_is_zero(leaf) for leaf in learning)


def _finding_for(
    recording: Recording,
    facts: list[ZeroedAt],
    names: frozenset[str],
    fed: frozenset[str],
    severity: Severity,
) -> Finding:
    fact = facts[0]
    subjects = unique(name for name in fact.leaves if name in names)
    leaves = list(map(by_name(recording).get, subjects))
    what = grouped(spoken(recording, subjects), noun_for(leaves))
    reason = _reason(recording, fact)
    return _finding(
        severity=severity,
        message=f"the gradient of {what} is exactly 0: {reason}",
        location=fact.location,
        label=f"{fact.node if fact.hook is None else 'this hook'} got a gradient and passed on only zeros",
        subjects=(*subjects, *sorted(fed)),
        related=tuple(_also(recording, facts, fact.location)),
        notes=tuple(_notes(recording, severity, subjects, fed)),
        evidence={
            "node": fact.node,
            "backwards": fact.backwards,
            "factor": fact.factor,
            "hook": fact.hook,
            "elements": sum(leaf.numel for leaf in leaves if leaf),
        },
        fix=_fix(recording, fact),
        count=max(1, fact.backwards),
    )


def _reason(recording: Recording, fact: ZeroedAt) -> str:
    return zero_reason(fact, snippet(recording, fact.location), statement(recording, fact.location))


def _also(recording: Recording, facts: list[ZeroedAt], primary: Location | None) -> Iterator[Related]:
    reasons = {fact.location: _reason(recording, fact) for fact in facts if fact.location}
    for where in other_places(list(reasons), than=primary):
        yield Related(where, f"the other way to the loss: {reasons[where]}")


def _notes(
    recording: Recording, severity: Severity, subjects: tuple[str, ...], fed: frozenset[str]
) -> Iterator[Note]:
    if fed:
        what = grouped(spoken(recording, sorted(fed)))
        yield Note("so is", f"the gradient of {what}, which multiplies the zeros that come out here")
    if severity is Severity.ERROR:
        yield Note("note", "every trainable tensor of the program has a zero gradient: nothing learns")
    else:
        yield Note("note", f"{verb(subjects, 'it has', 'they have')} no other way to the loss with a slope")


def _fix(recording: Recording, fact: ZeroedAt) -> str:
    code, reason = zero_fix(fact, snippet(recording, fact.location))
    return f"{replaced(recording, fact.location, code)}; {reason}" if code else reason
