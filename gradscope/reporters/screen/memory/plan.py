"""The plan for a budget: what it does with each block, or the floor that no plan gets below."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

from rich.text import Text

from gradscope.facts.memory import Block, MemoryUse, Plan, Strategy, StrategyKind
from gradscope.reporters.memory_words import chosen, kind_list, option_words, ranges, short_size, size_text
from gradscope.reporters.screen.findings import row_lines
from gradscope.reporters.screen.memory.strategies import strategy_lines, strategy_rows
from gradscope.reporters.screen.page import STYLES, Page
from gradscope.reporters.screen.words import clip_end, wrap

_MOST_STRETCHES: Final = 6
_MOST_REASONS: Final = 3
_MOST_RANGES: Final = 5
_UNITS: Final = (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10))

Row = tuple[str, str]


def plan_lines(memory: MemoryUse, page: Page, *, from_python: bool) -> list[Text]:
    """The table of strategies, the plan or the floor, and blocks that cannot be checkpointed.

    `from_python` says that it was a call, and no command, that asked.
    """
    rows = [
        *strategy_rows(memory),
        *_floor_rows(memory.plan, from_python),
        *_plan_rows(memory),
        *_reasons(memory.blocks),
    ]
    if memory.plan is not None and memory.plan.assumptions:
        rows.append(("assumes", "; ".join(memory.plan.assumptions)))
    if memory.not_compared:
        rows.append(("not compared", memory.not_compared))
    told = row_lines([(heading, page.text(text)) for heading, text in rows], page)
    return [*strategy_lines(memory, page), *_too_little(memory.plan, page), *told]


def _too_little(plan: Plan | None, page: Page) -> Iterator[Text]:
    if plan is None or plan.strategy is not None:
        return
    sentence = (
        f"no plan fits in {short_size(plan.budget)}: the least that checkpointing reaches is "
        f"{size_text(plan.floor)}"
    )
    yield from (Text(line, STYLES["warning"]) for line in wrap(sentence, page.width))


def _floor_rows(plan: Plan | None, from_python: bool) -> Iterator[Row]:
    if plan is None or plan.strategy is not None:
        return
    if plan.floor_kinds:
        yield "of it", kind_list(plan.floor_kinds)
    size = rounded_up(plan)
    yield "try", f'budget="{size}"' if from_python else f"--budget {size}"


def rounded_up(plan: Plan) -> str:
    """The floor as a budget to type, so that it fits: `4.1GiB`."""
    unit, size = next((each for each in _UNITS if plan.floor >= each[1]), ("", 1))
    return f"{math.ceil(10 * plan.floor / size) / 10:g}{unit}"


def _plan_rows(memory: MemoryUse) -> Iterator[Row]:
    """What the plan does with each block, and what it was expected to take."""
    strategy = memory.plan.strategy if memory.plan is not None else None
    if strategy is None:
        return
    yield "the plan", _choices(memory.blocks, strategy)
    expected = _expected(strategy)
    if expected:
        yield "predicted", expected


def _choices(blocks: Sequence[Block], strategy: Strategy) -> str:
    """`h.0-6 recomputed, h.7-9 matmuls kept, h.10-11 plain`; by option where they alternate."""
    stretches = chosen(blocks, strategy.choices)
    if len(stretches) <= _MOST_STRETCHES:
        options = groupby(stretches, key=lambda each: each.option)
        return ", ".join(
            f"{' and '.join(each.names for each in group)} {option_words(option)}"
            for option, group in options
        )
    told = []
    for option in dict.fromkeys(each.option for each in stretches):
        own = [each for each in stretches if each.option == option]
        names = _some([each.names for each in own])
        told.append(f"{sum(each.count for each in own)} {option_words(option)} ({names})")
    return ", ".join(told)


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_MOST_RANGES])
    return f"{shown} ..." if len(names) > _MOST_RANGES else shown


def _expected(strategy: Strategy) -> str:
    if strategy.predicted_peak is None:
        return ""
    text = size_text(strategy.predicted_peak)
    if strategy.predicted_time_ratio is not None:
        text += f" and {strategy.predicted_time_ratio:.2f}x"
    if strategy.predicted_peak == strategy.peak and strategy.predicted_time_ratio == strategy.time_ratio:
        return ""
    return text


def _reasons(blocks: Sequence[Block]) -> Iterator[Row]:
    """The blocks that cannot be checkpointed, those with one reason together."""
    reasons: dict[str, list[str]] = {}
    for block in blocks:
        if block.reason is not None:
            reasons.setdefault(block.reason, []).append(block.path)
    told = [f"{_some([names for names, _ in ranges(paths)])}: {reason}" for reason, paths in reasons.items()]
    if len(told) > _MOST_REASONS:
        told[_MOST_REASONS:] = [f"and {len(told) - _MOST_REASONS} more reasons"]
    if told:
        yield "left out", "; ".join(told)


def code_lines(memory: MemoryUse, page: Page) -> list[Text]:
    """The code as it is to be pasted: nothing stands before or after its lines."""
    if memory.code is None:
        return []
    strategy = memory.recommended
    what = "the plan" if strategy is StrategyKind.PLAN else strategy.value if strategy else "this"
    head = Text(clip_end(f"to apply {what}, paste this where the model is made:", page.width), STYLES["fix"])
    return [head, *(Text(page.text(line)) for line in memory.code.expandtabs(4).rstrip("\n").split("\n"))]
