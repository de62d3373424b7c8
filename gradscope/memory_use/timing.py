"""How long steps take beside plain ones, and how much of the forward they run again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

import torch
from torch import nn

from gradscope.loader.work import Work
from gradscope.memory_use.agreed import NONE, BlockModule, Choices
from gradscope.memory_use.attributes import unchanged
from gradscope.memory_use.checkpointing import applied

SECONDS: Final = 10.0
"""How long steps are timed at most, once the fewest rounds are done."""

LONG: Final = 1.0
"""Seconds of a step or a forward from which on it is timed once: what disturbs it is little beside it."""

FEWEST: Final = 3
MOST: Final = 7


@dataclass(frozen=True, slots=True)
class ForwardTimes:
    """Seconds of one plain forward, and of each block in it, all calls of one together; medians."""

    whole: float
    blocks: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class StepTimes:
    """`plain` is the median of a plain step in seconds. By strategy, in the order that they were given:

    `ratios` are medians, over the rounds, of the time of a step to that of the plain step of its round;
    `recomputed` is the time that recomputations took in the backward, as a share of that of the forward of
    the plain step of the same round, at most 1.
    """

    plain: float
    ratios: tuple[float, ...]
    recomputed: tuple[float, ...]


def time_forward(work: Work, blocks: Sequence[BlockModule], rounds: int = FEWEST) -> ForwardTimes:
    """Times one plain forward and the blocks in it, `rounds` times after one that is not counted.

    One that takes long is timed once.
    """
    wait = waiting(work)
    wholes: list[float] = []
    by_block: list[list[float]] = [[] for _ in blocks]
    for number in range(rounds + 1):
        with unchanged(work), _timed(blocks, wait) as taken, work.again():
            wait()
            begun = time.perf_counter()
            loss = work.forward()
            wait()
            whole = time.perf_counter() - begun
        del loss
        if number:
            wholes.append(whole)
            for times, seconds in zip(by_block, taken, strict=True):
                times.append(seconds)
            if whole > LONG:
                break
    return ForwardTimes(median(wholes), tuple(median(times) for times in by_block))


def time_steps(
    work: Work, blocks: Sequence[BlockModule], strategies: Sequence[Choices], seconds: float = SECONDS
) -> StepTimes:
    """Times a step with each of the choices in turn with plain ones, round after round.

    There are 3 rounds at least and 7 at most, and none is begun after so many `seconds`. Of steps that take
    long one round is enough. A first plain step is not counted. What a step raises comes out.
    """
    stopwatch = _Stopwatch(work, blocks)
    nothing = (NONE,) * len(blocks)
    fewest = FEWEST if stopwatch.step(nothing).whole < LONG else 1
    plain: list[float] = []
    ratios: list[list[float]] = [[] for _ in strategies]
    again: list[list[float]] = [[] for _ in strategies]
    begun = time.perf_counter()
    for number in range(MOST):
        if number >= fewest and time.perf_counter() - begun > seconds:
            break
        base = stopwatch.step(nothing)
        plain.append(base.whole)
        for place in _turned(len(strategies), number):
            taken = stopwatch.step(strategies[place])
            ratios[place].append(taken.whole / base.whole)
            again[place].append(min(1.0, taken.recomputed / base.forward))
    return StepTimes(
        median(plain), tuple(median(each) for each in ratios), tuple(median(each) for each in again)
    )


def _turned(count: int, by: int) -> list[int]:
    """0 to count - 1 from another one each round: what comes before a strategy must not favour it."""
    return [(each + by) % count for each in range(count)]


@dataclass(frozen=True, slots=True)
class _Taken:
    """Seconds of one step, of its forward, and of the recomputations in its backward."""

    whole: float
    forward: float
    recomputed: float


class _Stopwatch:
    """Times steps of one work from the same state."""

    def __init__(self, work: Work, blocks: Sequence[BlockModule]) -> None:
        self._work = work
        self._blocks = blocks
        self._wait = waiting(work)

    def step(self, choices: Choices) -> _Taken:
        """One step. Where the device must be waited for, its parts are those of a second one."""
        taken = self._timed(choices, _nothing)
        if self._wait is not _nothing:
            parts = self._timed(choices, self._wait)
            taken = _Taken(taken.whole, parts.forward, parts.recomputed)
        return taken

    def _timed(self, choices: Choices, wait: Callable[[], None]) -> _Taken:
        moments: list[float] = []

        def note() -> None:
            wait()
            moments.append(time.perf_counter())

        try:
            with unchanged(self._work), applied(self._blocks, choices, wait) as recomputing:
                self._wait()
                begun = time.perf_counter()
                self._work.step(note, note)
                self._wait()
                whole = time.perf_counter() - begun
        finally:
            self._work.zero_grad()
        return _Taken(whole, moments[1] - moments[0], recomputing.seconds)


def waiting(work: Work) -> Callable[[], None]:
    """What lets the device of the work finish, before a clock is read."""
    device = work.placement.device
    if device.type == "cpu":
        return _nothing
    return lambda: torch.accelerator.synchronize(device)


def _nothing() -> None:
    """A CPU has nothing to finish."""


@contextmanager
def _timed(blocks: Sequence[BlockModule], wait: Callable[[], None]) -> Iterator[list[float]]:
    """Seconds of every block's forward, summed up."""
    seconds = [0.0 for _ in blocks]
    begun = [0.0 for _ in blocks]

    def enter_at(place: int) -> Callable[..., None]:
        def enter(_module: nn.Module, _args: Any) -> None:
            wait()
            begun[place] = time.perf_counter()

        return enter

    def leave_at(place: int) -> Callable[..., None]:
        def leave(_module: nn.Module, _args: Any, _output: Any) -> None:
            wait()
            seconds[place] += time.perf_counter() - begun[place]

        return leave

    with ExitStack() as stack:
        for place, block in enumerate(blocks):
            stack.callback(block.module.register_forward_pre_hook(enter_at(place)).remove)
            stack.callback(block.module.register_forward_hook(leave_at(place)).remove)
        yield seconds
