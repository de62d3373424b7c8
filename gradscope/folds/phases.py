"""The phases of a training step, folded over the steps of the run.

A round goes from one step of the loop to the next. It ends where a line that makes gradients (zeroing,
forward, loss, backward) comes again after an optimizer has stepped: so several backwards before one
step, and several optimizers one after the other, are one round.
"""

from __future__ import annotations

from dataclasses import dataclass

from gradscope.facts import Phase, PhaseKind, TrainingLoop
from gradscope.folds.places import Place
from gradscope.folds.visits import location

_MOST_LINES = 64
_MOST_ORDERS = 64
_BEGINS = (PhaseKind.ZERO, PhaseKind.FORWARD, PhaseKind.LOSS, PhaseKind.SCALE, PhaseKind.BACKWARD)

_Line = tuple[PhaseKind, Place]


@dataclass(slots=True)
class _Seen:
    of: str
    count: int = 0
    steps: int = 0
    first: float | None = None
    last: float | None = None


class PhaseFold:
    """Keeps each line once, and each order of lines with a count."""

    def __init__(self) -> None:
        self._lines: dict[_Line, _Seen] = {}
        self._orders: dict[tuple[_Line, ...], int] = {}
        self._round: dict[_Line, int] = {}
        self._last: _Line | None = None
        self._stepped = False
        self._rounds = 0
        self._left_out: set[_Line] = set()

    def __len__(self) -> int:
        return len(self._lines) + len(self._orders)

    def saw(
        self, kind: PhaseKind, place: Place, of: str = "", value: float | None = None, when: int = 0
    ) -> None:
        """A line of the loop ran, at the time `when`. A loss is told late, with the time it was made at."""
        line = (kind, place)
        if self._stepped and line in self._round and line != self._last and kind in _BEGINS:
            self._end_round()
        self._last = line
        seen = self._lines.get(line)
        if seen is None:
            if len(self._lines) >= _MOST_LINES:
                if len(self._left_out) < _MOST_LINES:
                    self._left_out.add(line)
                return
            seen = self._lines[line] = _Seen(of)
        seen.count += 1
        if value is not None:
            seen.first = value if seen.first is None else seen.first
            seen.last = value
        if line not in self._round:
            later = {one: then for one, then in self._round.items() if then > when}
            for one in later:
                del self._round[one]
            self._round |= {line: when, **later}
        self._stepped |= kind is PhaseKind.STEP

    def _end_round(self) -> None:
        order = tuple(self._round)
        self._rounds += 1
        for line in order:
            self._lines[line].steps += 1
        if order in self._orders or len(self._orders) < _MOST_ORDERS:
            self._orders[order] = self._orders.get(order, 0) + 1
        self._round.clear()
        self._stepped = False

    def fact(self) -> TrainingLoop | None:
        """The loop so far; None where nothing stepped. A round under way counts once it has stepped."""
        rounds, orders, lines = self._rounds, dict(self._orders), self._lines
        under_way = tuple(self._round) if self._stepped else ()
        if under_way:
            rounds += 1
            orders[under_way] = orders.get(under_way, 0) + 1
        if not rounds:
            return None
        usual = max(reversed(orders), key=lambda order: orders[order])  # the later one of two
        others = [line for line in lines if line not in usual]
        return TrainingLoop(
            rounds,
            orders[usual],
            len(orders),
            tuple(_phase(line, lines[line], line in under_way) for line in (*usual, *others)),
            len(self._left_out),
        )


def _phase(line: _Line, seen: _Seen, under_way: bool) -> Phase:
    kind, place = line
    return Phase(kind, location(place), seen.of, seen.count, seen.steps + under_way, seen.first, seen.last)
