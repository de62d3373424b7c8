"""Blocks as a chain: what each option saves for all that comes later, and the peak while its block runs.

While a block runs, forward or backward, those before it keep what they keep until their own backward, and
those after it keep nothing. So with an option of its own a block reaches `peak - saved by those before it`.
This holds for blocks that run one after the other; what skips blocks makes it an estimate.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from operator import add

from gradscope.memory_use.agreed import NONE, Choices
from gradscope.memory_use.prediction import Prediction


@dataclass(frozen=True, slots=True)
class Stage:
    """One option of a block: its `saving` in bytes at the end of the forward, its `peak` without others."""

    option: str
    saving: int
    peak: int


@dataclass(frozen=True, slots=True)
class Chain:
    """Blocks by their numbers, in the order of their first call; `outside` is the peak apart from them."""

    blocks: tuple[int, ...]
    stages: tuple[tuple[Stage, ...], ...]
    outside: int

    def peak(self, choices: Choices) -> int:
        """What is expected of the choices."""
        peak, saved = self.outside, 0
        for block, stages in zip(self.blocks, self.stages, strict=True):
            stage = next(each for each in stages if each.option == choices[block])
            peak = max(peak, stage.peak - saved)
            saved += stage.saving
        return peak


def chain_of(prediction: Prediction, options: Sequence[Choices]) -> Chain:
    """The chain of a traced step. Blocks that save nothing are not in it."""
    turns, events = prediction.trace.turns, prediction.trace.events
    spans = prediction.spans()
    order = sorted(spans, key=lambda block: spans[block][0])
    begins = [spans[block][0] for block in order]
    plain = _Plain(prediction)
    over = turns
    backward: list[range] = []
    for block in reversed(order):
        backward.append(range(over, max(over, spans[block][1])))
        over = backward[-1].stop
    forward = (range(*pair) for pair in pairwise([*begins, turns]))
    nothing = (NONE,) * len(options)
    stages = []
    for block, *zones in zip(order, forward, reversed(backward), strict=True):
        chosen = ((*nothing[:block], option, *nothing[block + 1 :]) for option in options[block])
        stages.append(tuple(plain.stage(block, choices, zones) for choices in chosen))
    edges = (range(begins[0] if begins else turns), range(over, events))
    return Chain(tuple(order), tuple(stages), max(plain.highest(edge) for edge in edges))


class _Plain:
    """The curve of the plain step, and what one choice makes of it."""

    def __init__(self, prediction: Prediction) -> None:
        self._prediction = prediction
        self._curve = prediction.curve(())
        self._lifted = list(map(add, self._curve, prediction.lift))

    def highest(self, zone: range) -> int:
        """The most in those events."""
        return max(self._lifted[zone.start : zone.stop], default=0)

    def stage(self, block: int, choices: Choices, zones: Sequence[range]) -> Stage:
        """What the choice of a block, the only one, saves, and its peak in the zones."""
        changes = sorted(self._prediction.changes_with(block, choices))
        events = [event for event, _ in changes]
        sums = [0, *accumulate(size for _, size in changes)]

        def changed(event: int) -> int:
            return sums[bisect_right(events, event)]

        peak = 0
        for zone in zones:
            borders = [zone.start, *(event for event in events if event in zone), zone.stop]
            for first, stop in pairwise(borders):
                if first < stop:
                    peak = max(peak, self.highest(range(first, stop)) + changed(first))
        for event, size in self._prediction.on_top(choices):
            peak = max(peak, self._curve[event] + changed(event) + size)
        return Stage(choices[block], -changed(self._prediction.trace.turns), peak)
