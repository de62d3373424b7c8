"""In words: how the gradients of a micrograd-style engine differ from those of the chain rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

from gradscope.finding import Location
from gradscope.folds.scalar_pass import EngineFault, FaultKind, ScalarPass

_MOST_NAMES: Final = 3

Name: TypeAlias = Callable[[int], str]
"""What the program calls the value of a node, by the node's index."""
Line: TypeAlias = Callable[[int], Location | None]


def fault_note(
    this: ScalarPass, fault: EngineFault, name: Name, line: Line, backward: Location | None
) -> str:
    """A gradient that is wrong for another reason than an old one."""
    where = f"the backward{_at(backward)}"
    users = [index for index, node in enumerate(this.nodes) if fault.index in node.targets]
    told = [f"`{this.nodes[user].op}`{_place(line(user), backward)}" for user in users]
    ops = _listed(list(dict.fromkeys(told)))
    match fault.kind:
        case FaultKind.OVERWRITTEN:
            count = sum(node.targets.count(fault.index) for node in this.nodes)
            return (
                f"after {where} {_differs(fault, name)}: of its {count} contributions, from {ops}, one alone "
                "is there, as `=` leaves it where `+=` is meant"
            )
        case FaultKind.FORMULA:
            return (
                f"in {where} {ops} gives {name(fault.index)} {_number(fault.got)}, and its derivative gives "
                f"{_number(fault.right)}"
            )
        case FaultKind.SEED:
            return (
                f"after {where} every gradient is as it was before: {name(0)}.grad is {_number(0)}, and a "
                f"backward begins with 1, the derivative of {name(0)} by itself"
            )
    return f"after {where} {_differs(fault, name)}: that is what the chain rule gives through {ops}"


def stale_note(faults: Sequence[EngineFault], name: Name, line: Line, backward: Location | None) -> str:
    """Gradients that are wrong because intermediates began with an old one; all have the same cause."""
    wrong = "; ".join(_differs(fault, name) for fault in faults[:_MOST_NAMES])
    old = _listed([f"{name(index)}{_place(line(index), backward)}" for index in faults[0].by])
    return (
        f"after the backward{_at(backward)} {wrong}: {old} began it with the gradient of an earlier "
        "backward; set the gradients of everything but the leaves to 0 before each backward"
    )


def unzeroed_note(held: Mapping[str, float], backward: Location | None) -> str:
    """For parameters that were updated and not set back to zero: the gradient that each still held.

    They stand in the order of their names: an engine whose `_prev` is a set gives them in any order.
    """
    held = dict(sorted(held.items()))
    names = [f"{each}.grad" for each in held]
    others = f", and so did {_listed(names[1:])}" if len(names) > 1 else ""
    return (
        f"{names[0]} still held {_number(next(iter(held.values())))}, the gradient of an earlier step, when "
        f"the backward{_at(backward)} ran again{others}: every step goes by the sum of all gradients so far; "
        "set them to 0 before each backward"
    )


def _differs(fault: EngineFault, name: Name) -> str:
    return f"{name(fault.index)}.grad is {_number(fault.got)} where {_number(fault.right)} is right"


def _listed(texts: Sequence[str]) -> str:
    shown = list(texts[:_MOST_NAMES])
    if len(texts) > _MOST_NAMES:
        shown.append(f"{len(texts) - _MOST_NAMES} more")
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def _at(place: Location | None) -> str:
    return f" at line {place.line}" if place is not None else ""


def _place(place: Location | None, near: Location | None) -> str:
    """The line in brackets, with its file where that is another one than the backward's."""
    if place is None:
        return ""
    if near is None or near.path == place.path:
        return f" (line {place.line})"
    file = place.path.replace("\\", "/").rpartition("/")[2]
    return f" ({file}, line {place.line})"


def _number(value: float) -> str:
    """Always with a point or an exponent, by which a redacted report knows a value."""
    text = f"{value:.6g}"
    return text if any(mark in text for mark in ".en") else f"{text}.0"
