"""Which calls built a graph that no backward went through. No torch."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Final

_MOST_WAITING: Final = 4096


@dataclass(slots=True)
class CallsOfLine:
    """The calls at one line. `size` and `nodes` are those of the largest graph that was looked into."""

    calls: int = 0
    used: int = 0
    unused: int = 0
    size: int = 0
    nodes: int = 0

    @property
    def is_told(self) -> bool:
        """Whether graphs of this line are unused as a rule.

        A training loop that is left, or a batch that is skipped, leaves one unused graph at a line whose
        others are used.
        """
        return self.unused > 1 or (self.unused == 1 and not self.used)


class UnusedFold:
    """Takes calls, each with the sequence numbers of the nodes that it made, and backwards.

    A call waits for a backward through its graph: until the end, or until thousands of others have waited
    longer. Where a backward's graph was not looked at, it may have gone through any that wait.
    """

    def __init__(self) -> None:
        self.lines: dict[Hashable, CallsOfLine] = {}
        self._waiting: deque[tuple[range, Hashable]] = deque()

    def called(self, line: Hashable, made: range) -> CallsOfLine:
        """A call at `line` made nodes with these sequence numbers."""
        calls = self.lines.setdefault(line, CallsOfLine())
        calls.calls += 1
        self._waiting.append((made, line))
        if len(self._waiting) > _MOST_WAITING:
            self.lines[self._waiting.popleft()[1]].unused += 1
        return calls

    def backward(self, numbers: Sequence[int] | None) -> None:
        """A backward went through nodes with these sequence numbers; None where nobody looked."""
        waiting: deque[tuple[range, Hashable]] = deque()
        reached = sorted(numbers) if numbers is not None else None
        for made, line in self._waiting:
            if reached is None:
                continue
            if _any_within(reached, made):
                self.lines[line].used += 1
            else:
                waiting.append((made, line))
        self._waiting = waiting

    def end(self, *, is_cut_short: bool) -> dict[Hashable, CallsOfLine]:
        """The lines to be told. The last call of each is not judged where the program was cut short."""
        last = {line: made for made, line in self._waiting} if is_cut_short else {}
        told = {}
        for line, calls in self.lines.items():
            waiting = sum(each == line and made != last.get(line) for made, each in self._waiting)
            ended = replace(calls, unused=calls.unused + waiting)
            if ended.is_told:
                told[line] = ended
        return told


def _any_within(numbers: Sequence[int], within: range) -> bool:
    at = bisect_left(numbers, within.start)
    return at < len(numbers) and numbers[at] < within.stop
