"""What boxes are coloured by, and how far up the scale of colours each of them is."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from gradscope.autograd_graph.drawing import Colour, Mark, Scale
from gradscope.autograd_graph.modules import Group
from gradscope.facts.graph import GraphNode
from gradscope.reporters.screen.words import bytes_text, duration, scientific

_TITLES = {
    Colour.GRADIENT: "2-norm of the gradient",
    Colour.TIME: "time in the backward",
    Colour.BYTES: "bytes saved for the backward",
}


def measure(one: GraphNode | Group, colour: Colour) -> float | None:
    """What a node or a group is coloured by, None where it is not known."""
    if colour is Colour.NONE:
        return None
    if colour is Colour.TIME:
        return one.seconds
    if colour is Colour.BYTES:
        return float(one.saved_bytes)
    return one.norm if isinstance(one, Group) else one.incoming


def top(values: Sequence[float | None]) -> float | None:
    """The value that decides a box's colour: the greatest, before that NaN and Inf."""
    if len(values) == 1:
        return values[0]
    known = [value for value in values if value is not None]
    strange = [value for value in known if not math.isfinite(value)]
    return strange[0] if strange else max(known, key=abs, default=None)


def mark_of(values: Iterable[float | None]) -> Mark | None:
    """What stands out in the gradients of what a box stands for."""
    known = [value for value in values if value is not None]
    if not all(map(math.isfinite, known)):
        return Mark.NONFINITE
    return Mark.ZERO if known and not any(known) else None


def text_of(value: float, colour: Colour) -> str:
    """A value of the scale as text: `1.8e+00`, `12 us`, `1.5 kB`."""
    if colour is Colour.TIME:
        return duration(value)
    return bytes_text(round(value)) if colour is Colour.BYTES else scientific(value)


class Heat:
    """The scale that some values span: from the least to the greatest, by their logarithms."""

    def __init__(self, values: Sequence[float | None], colour: Colour) -> None:
        self._colour = colour
        finite = [abs(value) for value in values if value and math.isfinite(value)]
        self._low, self._high = (min(finite), max(finite)) if finite else (0.0, 0.0)
        self._start = math.log(self._low) if finite else 0.0
        self._span = math.log(self._high) - self._start if finite else 0.0

    @property
    def scale(self) -> Scale | None:
        """The scale as a legend shows it, None where there is nothing to show."""
        if not self._high or self._colour is Colour.NONE:
            return None
        low, high = (text_of(value, self._colour) for value in (self._low, self._high))
        return Scale(self._colour, _TITLES[self._colour], low, high)

    def of(self, value: float | None) -> float | None:
        """How far up the scale a value is, 0 to 1: NaN and Inf at its upper end, 0 at its lower one."""
        if value is None or self._colour is Colour.NONE:
            return None
        if not math.isfinite(value):
            return 1.0
        if not value:
            return 0.0
        return (math.log(abs(value)) - self._start) / self._span if self._span else 0.5
