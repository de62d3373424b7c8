"""Sizes of memory, and the names of what is done with it, as the screen and the page write them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from gradscope.facts.memory import (
    Block,
    MemoryKind,
    MemoryPeak,
    MemoryPhase,
    Strategy,
    StrategyKind,
    SweepKind,
)
from gradscope.sizes import size_text as size_text

_NUMBERED: Final = re.compile(r"(.*?)(\d+)")

LEAST_SHARE: Final = 0.001
"""What is less of the peak than that is not told: it is less than what the digits of the peak show."""

PHASES: Final = {
    MemoryPhase.FORWARD: "in the forward",
    MemoryPhase.BACKWARD: "in the backward",
    MemoryPhase.OPTIMIZER: "in the optimizer",
    MemoryPhase.OUTSIDE: "outside the passes",
}
"""When something was, as an adverb."""

OPTIONS: Final = {"none": "plain", "block": "recomputed", "selective": "matmuls kept"}
"""What is done with a block; any other option is the path of the module in it that is checkpointed alone."""

SWEPT: Final = {
    SweepKind.DEPTH: "number of blocks",
    SweepKind.BATCH: "batch size",
    SweepKind.SEQ: "sequence length",
}
"""What the values of a sweep are."""


def when(peak: MemoryPeak, steps: int) -> str:
    """`in the forward of step 11`, of a run of so many optimizer steps; without any, passes are counted."""
    words = PHASES[peak.phase]
    if not peak.step or peak.phase is MemoryPhase.OUTSIDE:
        return words
    if steps and peak.step >= steps:
        return f"{words} after the last step"
    return f"{words} of {'step' if steps else 'pass'} {peak.step + 1:,}"


def short_size(size: int) -> str:
    """Likewise, without zeros at the end: `6 GiB`, for a number that a person typed."""
    number, unit = size_text(size).split(" ")
    return f"{number.rstrip('0').rstrip('.') if '.' in number else number} {unit}"


def share_text(part: int, whole: int) -> str:
    """`83%` of the whole; `<1%` for little, nothing where there is no whole."""
    if not whole:
        return ""
    percent = 100 * part / whole
    return "<1%" if 0 < percent < 0.5 else f"{percent:.0f}%"


def kind_sizes(kinds: Mapping[MemoryKind, int]) -> list[tuple[MemoryKind, int]]:
    """What there is of each kind, the most first."""
    found = [(kind, size) for kind, size in kinds.items() if size > 0]
    return sorted(found, key=lambda pair: -pair[1])


def kind_list(kinds: Mapping[MemoryKind, int]) -> str:
    """`saved for backward 11.9 GiB, parameters 475 MiB`: what there is of each kind."""
    return ", ".join(f"{kind.value} {size_text(size)}" for kind, size in kind_sizes(kinds))


def strategy_name(strategy: Strategy, budget: int | None = None) -> str:
    """`no checkpointing`, `every block`, `selective (matmuls)`, `plan for 6 GiB`."""
    if strategy.kind is StrategyKind.NONE:
        return "no checkpointing"
    if strategy.kind is StrategyKind.SELECTIVE:
        return "selective (matmuls)"
    if strategy.kind is StrategyKind.PLAN and budget is not None:
        return f"plan for {short_size(budget)}"
    return strategy.kind.value


def option_words(option: str) -> str:
    """What is done with a block: `recomputed`, `matmuls kept`, `plain`, `only attn recomputed`."""
    return OPTIONS.get(option) or f"only {option} recomputed"


@dataclass(frozen=True, slots=True)
class Chosen:
    """Blocks that lie next to each other and have the same option: `names` is `h.0-6`."""

    names: str
    count: int
    option: str


def chosen(blocks: Sequence[Block], choices: Sequence[str]) -> list[Chosen]:
    """The blocks of a strategy, in stretches of one option; numbered names as a range."""
    stretches = groupby(zip(blocks, choices, strict=False), key=lambda pair: pair[1])
    found = []
    for option, pairs in stretches:
        paths = [block.path for block, _ in pairs]
        found += [Chosen(names, count, option) for names, count in ranges(paths)]
    return found


def ranges(paths: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Neighbours whose last number counts up by one as `h.0-6`, with how many there are."""
    run: list[str] = []
    for path in paths:
        if run and not _follows(run[-1], path):
            yield _range(run), len(run)
            run = []
        run.append(path)
    if run:
        yield _range(run), len(run)


def _follows(before: str, after: str) -> bool:
    first, second = _NUMBERED.fullmatch(before), _NUMBERED.fullmatch(after)
    if first is None or second is None:
        return False
    return first[1] == second[1] and len(first[2]) < 10 and int(second[2]) == int(first[2]) + 1


def _range(run: Sequence[str]) -> str:
    last = _NUMBERED.fullmatch(run[-1])
    return run[0] if len(run) == 1 or last is None else f"{run[0]}-{last[2]}"
