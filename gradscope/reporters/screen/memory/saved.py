"""What is saved for the backward, line by line, and the largest of the tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.text import Text

from gradscope.facts import Recording
from gradscope.facts.memory import LineMemory, MemoryUse, SavedAt, UnusedGraph
from gradscope.reporters.memory_words import share_text, size_text
from gradscope.reporters.screen.memory.peak import grouped
from gradscope.reporters.screen.page import STYLES, Page, cells
from gradscope.reporters.screen.words import clip, clip_end, plural, pointed, shape_text, wrap

MOST_LINES: Final = 5
MOST_TENSORS: Final = 3
MOST_UNUSED: Final = 4
_LONGEST_PLACE: Final = 26
_SIZE: Final = 9
_NEVER_USED: Final = "this graph is never used"


def line_rows(memory: MemoryUse, recording: Recording, page: Page, json: str) -> list[Text]:
    """The lines that save the most, with their source text, or with the nodes where there is none.

    `json` is where all of them can be had, in this table and the others.
    """
    shown = memory.lines[:MOST_LINES]
    if not shown:
        return []
    places = [clip(page.near(each.location), _LONGEST_PLACE) for each in shown]
    width = max(map(cells, places))
    head = f"{'saved by line':{2 + width}}  {'bytes':>{_SIZE}}  share  tensors"
    whole = sum(each.saved for each in memory.lines)
    lines = [Text(head, STYLES["heading"])]
    for place, each in zip(places, shown, strict=True):
        row = Text(f"  {place}{' ' * (width - cells(place))}  {size_text(each.saved):>{_SIZE}}")
        row.append(f"  {share_text(each.saved, whole):>5}  {each.tensors:>7,}  ")
        lines.append(row.append(clip_end(_source(each, recording, page), page.width - row.cell_len)))
    return [*lines, *_more(len(memory.lines) - MOST_LINES, "line", json)]


def _source(line: LineMemory, recording: Recording, page: Page) -> str:
    text = " ".join(recording.line(line.location).split())
    return page.text(text) if text else page.text(", ".join(line.ops))


def _more(count: int, noun: str, json: str) -> list[Text]:
    if count <= 0:
        return []
    return [Text(f"  ... and {plural(count, f'more {noun}')}, in {json}", STYLES["faint"])]


def tensor_rows(memory: MemoryUse, page: Page, json: str) -> list[Text]:
    """The largest saved tensors: what they are, who keeps them, and how to keep less."""
    if not memory.largest:
        return []
    lines = [Text("largest of it", STYLES["heading"])]
    start = 2 + _SIZE + 2
    shown = _shown(memory.largest)
    for each in shown:
        room = page.width - start
        first, *rest = pointed(_about(each, page), room, room)
        lines.append(Text(f"  {size_text(each.size):>{_SIZE}}  {first}"))
        lines += [Text(" " * start + line) for line in rest]
        if each.cheaper:
            less = f"{size_text(each.cheaper_by)} less: " if each.cheaper_by else ""
            told = wrap(less + page.text(each.cheaper), room - len("cheaper  "))
            for index, part in enumerate(told):
                head = "cheaper  " if index == 0 else " " * len("cheaper  ")
                lines.append(Text.assemble(" " * start, (head, STYLES["fix"]), part))
    return [*lines, *_more(len(memory.largest) - len(shown), "tensor", json)]


def _shown(largest: Sequence[SavedAt]) -> list[SavedAt]:
    """The largest of all, then those that can be had cheaper, then the largest others; by their order."""
    wanted = sorted(range(len(largest)), key=lambda index: (index > 0, not largest[index].cheaper))
    return [largest[index] for index in sorted(wanted[:MOST_TENSORS])]


def _about(each: SavedAt, page: Page) -> list[str]:
    times = f"{each.count:,} x " if each.count > 1 else ""
    parts = [f"{times}{page.text(each.dtype)} {shape_text(each.shape)}"]
    parts.append(f"{page.text(each.name)} of {page.text(each.op)}")
    if each.location is not None:
        parts.append(page.near(each.location))
    if each.modules:
        parts.append(grouped(each.modules, page))
    return parts


# ---------------------------------------------------------------- graphs that nobody used


def unused_rows(memory: MemoryUse, page: Page, json: str) -> list[Text]:
    """`this graph is never used: 310 MiB at train.py:34, model(x) ...`, a sentence each."""
    lines: list[Text] = []
    for each in memory.unused[:MOST_UNUSED]:
        first, *rest = wrap(_unused(each, page), page.width - 2)
        lines.append(Text(first))
        lines[-1].stylize(STYLES["warning"], 0, len(_NEVER_USED))
        lines += [Text(f"  {line}") for line in rest]
    return [*lines, *_more(len(memory.unused) - MOST_UNUSED, "such graph", json)]


def _unused(each: UnusedGraph, page: Page) -> str:
    times = f" ({each.count:,} times)" if each.count > 1 else ""
    call = f", {page.text(each.call)}" if each.call else ""
    at = page.line_at(each.location)
    return f"{_NEVER_USED}: {size_text(each.size)} at {at}{call}{times}; wrap it in torch.no_grad()"
