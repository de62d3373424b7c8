"""The chain-rule table: every node of a small graph, its local gradient, what came in and what went out."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final

from rich.text import Text

from gradscope.facts import ChainRow, ChainTable
from gradscope.reporters.screen.page import STYLES, Page, cells
from gradscope.reporters.screen.words import clip_end, number, plural, shape_text

MOST_NODES: Final = 30
HEADS: Final = ("node", "forward", "local gradient", "incoming", "outgoing", "")
_RIGHT: Final = (False, True, False, True, True, False)
_OUTGOING: Final = 4
_GAP: Final = 3
_NARROW_GAP: Final = 2
_GOOD_NODE_CELLS: Final = 26  # before nodes are cut to less than this or 3/4, unnamed inputs are abbreviated
_FEWEST_NODE_CELLS: Final = 14
_IDENTIFIER_CELLS: Final = 14  # names up to here are never abbreviated
_INPUT_CELLS: Final = (30, 20, 14, 8, 5)
_MOST_TERMS: Final = 6

_NAME: Final = re.compile(r"[\w.\[\]'\"]+")  # `x`, `self.w`, `weights[0]`; not a description

_Pair = tuple[str, float | None]


@dataclass(frozen=True, slots=True)
class ChainLine:
    """A printed row; `result` stands in place of the last two columns, at a leaf."""

    columns: tuple[str, str, str, str, str, str]
    result: str = ""


def chain_lines(table: ChainTable, page: Page) -> list[Text]:
    """The table, headings first, leaves last; a legend where norms stand for tensors."""
    rows = _layout(_fitting(table, page), page)
    if any(row.shape and row.value is not None for row in table.rows):
        rows.append(Text("  |v| is the 2-norm of a tensor v", STYLES["faint"]))
    return rows


def whole_table(table: ChainTable, page: Page) -> list[ChainLine]:
    """All rows of the table, whatever the width."""
    return _lines(table, page, max(_INPUT_CELLS[0], page.width), len(table.rows))


def _fitting(table: ChainTable, page: Page) -> list[ChainLine]:
    """The printed rows, with unnamed inputs abbreviated only as far as the width asks for it."""
    lines: list[ChainLine] = []
    for longest in _INPUT_CELLS:
        lines = _lines(table, page, longest)
        widths = _widths(lines)
        over = _total(widths, lines, _NARROW_GAP) - page.width
        if widths[0] - over >= min(_GOOD_NODE_CELLS, widths[0] * 3 // 4):
            break
    return lines


def _lines(table: ChainTable, page: Page, longest: int, most: int = MOST_NODES) -> list[ChainLine]:
    nodes = [row for row in table.rows if not row.is_leaf]
    leaves = [row for row in table.rows if row.is_leaf]
    lines = [line for row in nodes[:most] for line in _node_lines(row, table, page, longest)]
    if len(nodes) > most:
        hidden = plural(len(nodes) - most, "more node")
        lines.append(ChainLine((f"and {hidden}", "", "", "", "", "")))
    return lines + [_leaf_line(row, nodes, page) for row in leaves]


# ---------------------------------------------------------------- nodes


def _node_lines(row: ChainRow, table: ChainTable, page: Page, longest: int) -> Iterator[ChainLine]:
    """A printed row for each input that needs a gradient; the node itself stands on the first."""
    pairs = list(zip_longest(row.local, row.outgoing)) or [(None, None)]
    for index, (local, outgoing) in enumerate(pairs):
        what = (_node(row, page), _value(row.value, row.shape)) if index == 0 else ("", "")
        incoming = _plain(row.incoming, is_norm=bool(row.shape)) if index == 0 else ""
        is_norm = bool(row.shape) or (local is not None and local[1] is None)
        sent = _plain(outgoing[1], is_norm=is_norm) if outgoing else ""
        where = _where(row, table, page) if index == 0 else ""
        yield ChainLine((*what, _local(row, local, page, longest), incoming, sent, where))


def _node(row: ChainRow, page: Page) -> str:
    parts = dict.fromkeys(part for part in (row.name, row.expression) if part)
    return page.text(" = ".join(parts) or row.node or "?")


def _local(row: ChainRow, pair: _Pair | None, page: Page, longest: int) -> str:
    if pair is None:
        return ""
    name, slope = pair
    top = "" if row.name is None else _differential(page.text(row.name), longest)
    quotient = f"d{top}/d{_differential(page.text(name), longest)}"
    return quotient if slope is None else f"{quotient} = {number(slope)}"


def _differential(name: str, longest: int) -> str:
    if name.isidentifier() and len(name) <= max(longest, _IDENTIFIER_CELLS):
        return name
    return f"({clip_end(name, longest)})"


def _where(row: ChainRow, table: ChainTable, page: Page) -> str:
    if row.location is None:
        return ""
    if table.backward is None or table.backward.path == row.location.path:
        return f"line {row.location.line}"
    return page.line_at(row.location)


def _value(value: float | None, shape: Sequence[int]) -> str:
    text = _plain(value, is_norm=bool(shape))
    return f"{shape_text(shape)} {text}".rstrip() if shape else text


def _plain(value: float | None, *, is_norm: bool) -> str:
    if value is None:
        return ""
    return f"|{number(value)}|" if is_norm else number(value)


# ---------------------------------------------------------------- leaves


def _leaf_line(row: ChainRow, nodes: Sequence[ChainRow], page: Page) -> ChainLine:
    name = page.text(row.name or "leaf")
    value = _value(row.value, row.shape)
    total = row.outgoing[0][1] if row.outgoing else row.incoming
    incoming = _plain(total, is_norm=bool(row.shape))
    paths = f" ({row.paths} paths)" if row.shape and row.paths > 1 else ""
    return ChainLine((f"{name}  leaf{paths}", value, "", incoming, "", ""), _result(row, name, total, nodes))


def _result(row: ChainRow, name: str, total: float | None, nodes: Sequence[ChainRow]) -> str:
    """`x.grad = 3 + 4 = 7`: what the leaf's gradient is, the terms spelled out where several paths meet."""
    if total is None:
        return ""
    grad = f"{name}.grad" if _NAME.fullmatch(row.name or "") else "grad"
    if row.shape:
        return f"|{grad}| = {number(total)}"
    if row.paths < 2:
        return f"{grad} = {number(total)}"
    terms = _terms(row, nodes)
    told = len(terms) == row.paths <= _MOST_TERMS and math.isclose(
        sum(terms), total, rel_tol=1e-4, abs_tol=1e-9
    )
    return (
        f"{grad} = {_sum(terms)} = {number(total)}"
        if told
        else f"{grad} = {number(total)} ({row.paths} paths)"
    )


def _terms(leaf: ChainRow, nodes: Sequence[ChainRow]) -> list[float]:
    """What each node sent to the leaf, in the order of the forward pass; norms are no terms."""
    return [
        sent
        for node in reversed(nodes)
        for (name, sent), (_, slope) in zip(node.outgoing, node.local, strict=False)
        if name == leaf.name and sent is not None and slope is not None
    ]


def _sum(terms: Sequence[float]) -> str:
    text = number(terms[0])
    for term in terms[1:]:
        text += f" - {number(-term)}" if term < 0 else f" + {number(term)}"
    return text


# ---------------------------------------------------------------- layout


def _layout(lines: Sequence[ChainLine], page: Page) -> list[Text]:
    """The columns side by side. Too wide a table first closes its gaps, then clips its nodes."""
    widths = _widths(lines)
    gap = _GAP if _total(widths, lines, _GAP) <= page.width else _NARROW_GAP
    over = max(0, _total(widths, lines, gap) - page.width)
    widths[0] = max(min(widths[0], _FEWEST_NODE_CELLS), widths[0] - over)
    rows = [Text(_row(HEADS, widths, gap), STYLES["faint"])]
    for line in lines:
        row = _row(line.columns, widths, gap)
        if line.result:
            row = _row(line.columns[:_OUTGOING], widths, gap) + " " * gap + line.result
        rows.append(Text(row))
    return rows


def _widths(lines: Sequence[ChainLine]) -> list[int]:
    return [max(cells(head), *(cells(line.columns[i]) for line in lines)) for i, head in enumerate(HEADS)]


def _total(widths: Sequence[int], lines: Sequence[ChainLine], gap: int) -> int:
    before = 2 + sum(widths[:_OUTGOING]) + gap * _OUTGOING
    longest = max(cells(line.result) for line in lines)
    return before + max(widths[_OUTGOING] + (gap + widths[-1] if widths[-1] else 0), longest)


def _row(columns: Sequence[str], widths: Sequence[int], gap: int) -> str:
    parts = []
    for text, width, right in zip(columns, widths, _RIGHT, strict=False):
        text = clip_end(text, width)
        pad = " " * (width - cells(text))
        parts.append(pad + text if right else text + pad)
    return "  " + (" " * gap).join(parts)
