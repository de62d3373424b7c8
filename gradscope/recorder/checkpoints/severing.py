"""Reentrant checkpoints that gave no gradient to what is inside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from gradscope.facts import Severance, SeveringCheckpoint
from gradscope.recorder.places import Loc
from gradscope.recorder.values import requires_grad, tensors_in

_DEPTH = 6  # of dicts, lists and objects in each other


@dataclass(slots=True)
class _Line:
    function: str
    calls: int = 0
    severed: int = 0
    reason: Severance | None = None
    tensors: int = 0


class Severing:
    """One entry for each line that calls a reentrant checkpoint."""

    def __init__(self) -> None:
        self._lines: dict[Loc, _Line] = {}

    def called(self, place: Loc, function: str, args: Sequence[Any], outputs: Any) -> None:
        """A reentrant checkpoint has returned, in grad mode."""
        line = self._lines.setdefault(place, _Line(function))
        line.calls += 1
        reason = _reason(args, outputs)
        if reason is not None:
            line.severed += 1
            line.function, line.reason = function, reason
            line.tensors = sum(isinstance(each, Tensor) for each in args)

    def facts(self) -> tuple[SeveringCheckpoint, ...]:
        """The lines that severed a gradient at least once."""
        return tuple(
            SeveringCheckpoint(
                place.location(), line.function, line.reason, line.tensors, line.calls, line.severed
            )
            for place, line in self._lines.items()
            if line.reason is not None
        )


def _reason(args: Sequence[Any], outputs: Any) -> Severance | None:
    direct = [each for each in args if isinstance(each, Tensor)]
    several = outputs if isinstance(outputs, tuple) else (outputs,)
    if any(map(requires_grad, direct)):
        inner = [t for each in several if not isinstance(each, Tensor) for t in inside(each)]
        plain = [each for each in several if isinstance(each, Tensor)]
        lost = any(t.is_floating_point() for t in inner) and not any(map(requires_grad, plain))
        return Severance.NESTED_OUTPUT if lost else None
    nested = [t for each in args if not isinstance(each, Tensor) for t in inside(each)]
    if any(map(requires_grad, nested)):
        return Severance.NESTED
    return Severance.FROZEN if direct else Severance.NO_TENSOR


def inside(value: Any, depth: int = _DEPTH) -> list[Tensor]:
    """The tensors in a dict, a list or an object with attributes; none of a module's own."""
    if not depth or isinstance(value, (str, bytes, int, float, type)):
        return []
    if isinstance(value, (Tensor, tuple, list, dict)):
        found = tensors_in(value, 1)
        contents = value.values() if isinstance(value, dict) else value
        if isinstance(value, Tensor):
            return found
        return found + [
            t for each in contents if not isinstance(each, Tensor) for t in inside(each, depth - 1)
        ]
    if hasattr(value, "parameters"):
        return []
    attributes = getattr(value, "__dict__", {})
    return [t for each in attributes.values() for t in inside(each, depth - 1)]
