"""The peak of a step under any choice of checkpointing, from the trace of a plain one.

The curve of the plain step is changed where a choice changes the life of a storage: what no node keeps any
more dies where the forward lets go of it, what a checkpoint keeps lives until its backward is over, and what
is recomputed comes to life again. A recomputation has a peak of its own, on top of what is alive then.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import accumulate
from operator import add
from typing import Final, TypeAlias

from gradscope.facts import MemoryKind
from gradscope.memory_use.agreed import NONE, Choices
from gradscope.memory_use.lives import Lives
from gradscope.memory_use.recomputation import Recomputation
from gradscope.memory_use.traced import NEVER, StepTrace

Changes: TypeAlias = tuple[tuple[int, int], ...]
"""(event, bytes that are alive more from that event on)."""
_FEW: Final = 3


class Prediction:
    """Bytes of one step for any choices."""

    def __init__(self, trace: StepTrace) -> None:
        self.trace = trace
        self._lives = Lives(trace)
        self.steps = self._plain_steps()
        self.lift = self._lifts()
        self._groups_of: dict[int, list[tuple[int, ...]]] = defaultdict(list)
        for blocks in self._lives.depending:
            for block in blocks:
                self._groups_of[block].append(blocks)
        self._known: dict[tuple[tuple[int, ...], Choices], Changes] = {}

    def peak(self, choices: Choices) -> int:
        """The most that is alive at once, in bytes, what existed before the step included."""
        curve = self.curve(choices)
        highest: int = max(map(add, curve, self.lift))
        return max([highest, *(curve[event] + size for event, size in self.on_top(choices))])

    def saved(self, choices: Choices) -> int:
        """What is alive at the end of the forward beyond its start."""
        curve = self.curve(choices)
        return curve[self.trace.turns] - (curve[self.trace.begins - 1] if self.trace.begins else 0)

    def curve(self, choices: Choices) -> list[int]:
        """Bytes that are alive after every event of the plain step, without recomputations and scratch.

        No choices at all stand for NONE everywhere.
        """
        steps = self.steps.copy()
        for blocks in self._lives.depending if choices else ():
            for event, size in self.changes(blocks, choices):
                steps[event] += size
        steps.pop()
        return list(accumulate(steps))

    def changes(self, blocks: tuple[int, ...], choices: Choices) -> Changes:
        """How the storages that depend on these blocks change the curve of the plain step."""
        its = tuple([choices[block] for block in blocks])
        known = self._known.get((blocks, its))
        if known is None:
            known = self._changes(blocks, choices)
            if len(blocks) <= _FEW:
                self._known[blocks, its] = known
        return known

    def changes_with(self, block: int, choices: Choices) -> Iterator[tuple[int, int]]:
        """How the storages that depend on a block, and perhaps on others, change the curve."""
        for blocks in self._groups_of[block]:
            yield from self.changes(blocks, choices)

    def on_top(self, choices: Choices) -> Iterator[tuple[int, int]]:
        """(event, bytes): what every recomputation takes at most on top of the curve at that event.

        The curve stands there as the recomputation leaves it.
        """
        for found in self._recomputations(choices):
            if found.at != NEVER:
                yield found.at, found.peak + found.used - found.left

    def spans(self) -> dict[int, tuple[int, int]]:
        """By block, the event of its first call and the one at which its backward is over."""
        return self._lives.spans()

    def kinds(self, choices: Choices) -> dict[MemoryKind, int]:
        """What the peak consists of, in bytes."""
        curve = self.curve(choices)
        highest, event = max((size, event) for event, size in enumerate(map(add, curve, self.lift)))
        for at, size in self.on_top(choices):
            if curve[at] + size > highest:
                highest, event = curve[at] + size, at
        sums = dict.fromkeys(MemoryKind, 0)
        for storage, (size, birth) in enumerate(zip(self.trace.sizes, self.trace.births, strict=True)):
            if birth <= event < self._lives.death(storage, choices):
                sums[self.trace.kinds[storage]] += size
        for each in self._recomputations(choices):
            if each.at != NEVER and each.at <= event:
                alive = (storage for storage, until in each.until.items() if until > event)
                sums[MemoryKind.SAVED] += sum(self.trace.sizes[storage] for storage in alive)
        sums[MemoryKind.OTHER] += highest - sum(sums.values())
        return {kind: size for kind, size in sums.items() if size}

    # ------------------------------------------------------------ how it comes about

    def _plain_steps(self) -> list[int]:
        """By event, what it adds to the bytes that are alive; one more at the end."""
        trace = self.trace
        steps = [0] * (trace.events + 1)
        for size, birth, death in zip(trace.sizes, trace.births, trace.deaths, strict=True):
            steps[birth] += size
            if death != NEVER:
                steps[death] -= size
        return steps

    def _lifts(self) -> list[int]:
        """By event, the scratch memory that comes on top of the bytes that are alive after it."""
        lift = [0] * self.trace.events
        for one in self.trace.scratch:
            lift[one.event - 1] = max(lift[one.event - 1], one.size)
        return lift

    def _changes(self, blocks: tuple[int, ...], choices: Choices) -> Changes:
        trace = self.trace
        steps: dict[int, int] = defaultdict(int)
        if all(choices[block] == NONE for block in blocks):
            return ()
        for storage in self._lives.depending[blocks]:
            plain = trace.deaths[storage] if trace.deaths[storage] != NEVER else trace.events
            steps[plain] += trace.sizes[storage]
            steps[self._lives.death(storage, choices)] -= trace.sizes[storage]
        if len(blocks) == 1:
            for number, found in self._lives.chosen(blocks[0], choices[blocks[0]]):
                call = trace.calls[number]
                if found.over != NEVER:
                    steps[trace.births[call.begin]] += call.extra
                    steps[found.over] -= call.extra
                for storage, until in found.until.items():
                    steps[found.at] += trace.sizes[storage]
                    steps[until] -= trace.sizes[storage]
        return tuple((event, size) for event, size in steps.items() if size)

    def _recomputations(self, choices: Choices) -> Iterator[Recomputation]:
        for block, choice in enumerate(choices):
            if choice != NONE:
                for _, found in self._lives.chosen(block, choice):
                    yield found
