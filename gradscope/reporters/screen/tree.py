"""The module tree: each module's and parameter's gradient, folded to fit the screen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rich.text import Text

from gradscope.facts import Leaf, Recording
from gradscope.reporters.screen.bars import LONGEST_BAR, Bars, bar
from gradscope.reporters.screen.branches import Branch, Totals, branches
from gradscope.reporters.screen.page import STYLES, Page, cells
from gradscope.reporters.screen.unfold import TreeRow, unfold
from gradscope.reporters.screen.words import clip, clip_end, percent, scientific, short_count

MOST_ROWS: Final = 28
_MOST_LOOSE: Final = 8
_FEWEST_NAME_CELLS: Final = 16
_NAME_CELLS: Final = 28  # a name may take as many before a remark beside its numbers is cut
_FEWEST_REMARK_CELLS: Final = 14
_LONGEST_RUN: Final = 0.45  # share of the width up to which the name of a run bears its class
_SIZE: Final = "parameters"


@dataclass(frozen=True, slots=True)
class _Line:
    """A row of the table. `numbers` are right-aligned; `remark` stands after them, or in their place."""

    name: str
    size: str
    numbers: tuple[str, ...] = ()
    remark: str = ""
    style: str = ""
    bar: float | None = None  # 0..1, drawn between name and numbers


def tree_lines(recording: Recording, page: Page, *, values: bool = True) -> list[Text]:
    """The tree of every root module, then the leaves that are in none; empty where there are no leaves.

    Norms are 2-norms. With `values` False (a redacted report) no norms are shown.
    """
    owned = [leaf for leaf in recording.leaves if leaf.root is not None]
    loose = [leaf for leaf in recording.leaves if leaf.root is None]
    columns = _columns(recording.leaves, page) if values else ()
    rows = unfold(branches(owned, recording.modules), MOST_ROWS)
    lines = [_line(row, columns, page) for row in rows]
    if loose:
        lines += _loose_lines(loose, columns, page, alone=not owned)
    return _table(lines, columns, page) if lines else []


def _columns(leaves: Sequence[Leaf], page: Page) -> tuple[str, ...]:
    repeated = any(leaf.gradient and leaf.gradient.backwards > 1 for leaf in leaves)
    if repeated and page.width >= 100:
        return ("|grad|", "at last", "max", "zero")
    return ("|grad|", "max", "zero")


def _line(row: TreeRow, columns: Sequence[str], page: Page) -> _Line:
    branch, sums = row.branch, row.branch.totals
    indent = "  " * row.depth
    name = indent + page.text(branch.name)
    if row.bar_of is not None:
        width = max(len(block.name) for block in row.bar_of.children)
        name = f"{indent}{branch.name:>{width}}"
    elif branch.is_run:
        whole = f"{name} [{len(branch.children)} x {page.text(branch.class_name)}]"
        fits = cells(whole) <= _LONGEST_RUN * page.width
        name = whole if fits else f"{name} [{len(branch.children)} blocks]"
    elif branch.name.isdecimal() and branch.class_name:
        name += f" ({page.text(branch.class_name)})"
    remark, style = branch_remark(branch, sums, is_open=row.is_open)
    numbers = _numbers(sums, columns) if sums.reached else ()
    bar = _scale(row.bar_of).length(sums.norm) if row.bar_of is not None and columns else None
    size = "" if bar is not None else short_count(sums.numel)
    return _Line(name, size, numbers, remark, style, bar)


def _numbers(sums: Totals, columns: Sequence[str]) -> tuple[str, ...]:
    shown = {
        "|grad|": scientific(sums.norm),
        "at last": scientific(sums.last_norm),
        "max": scientific(sums.max_abs),
        "zero": percent(sums.zero_share),
    }
    return tuple(shown[column] for column in columns)


def branch_remark(branch: Branch, sums: Totals, *, is_open: bool) -> tuple[str, str]:
    """What is to be said about a row in words, and its style; what the rows below say is left to them."""
    if not branch.called and not sums.reached:
        return "no backward through it", STYLES["faint"]
    if sums.frozen == len(branch.leaves):
        return "frozen", STYLES["faint"]
    if not sums.reached and not is_open:
        return "no gradient" + (", the rest frozen" if sums.frozen else ""), STYLES["warning"]
    broken = [f"{short_count(n)} {kind}" for n, kind in ((sums.nan, "NaN"), (sums.inf, "Inf")) if n]
    rest = [] if is_open else _incomplete(sums)
    scale = ["log scale"] if branch.is_run and is_open and _scale(branch).is_log else []
    style = STYLES["error"] if broken else STYLES["warning"] if rest else STYLES["faint"]
    return ", ".join([*broken, *rest, *scale]), style


def _incomplete(sums: Totals) -> list[str]:
    if sums.always_zero and not sums.missing:
        return ["always zero"]
    missing = [f"{sums.missing} no gradient"] if sums.missing else []
    return [*missing, *([f"{sums.frozen} frozen"] if sums.frozen else [])]


def _loose_lines(loose: Sequence[Leaf], columns: Sequence[str], page: Page, *, alone: bool) -> list[_Line]:
    """The leaves that are in no module, under a heading of their own where there are modules."""
    depth = 0 if alone else 1
    rows = [TreeRow(Branch(leaf.name, leaf=leaf), depth) for leaf in loose[:_MOST_LOOSE]]
    lines = [] if alone else [_Line("in no module", "")]
    lines += [_line(row, columns, page) for row in rows]
    if len(loose) > _MOST_LOOSE:
        lines.append(_Line(f"{'  ' * depth}and {len(loose) - _MOST_LOOSE:,} more", ""))
    return lines


def _scale(run: Branch) -> Bars:
    """What the bars of a run's blocks are drawn by."""
    return Bars(block.totals.norm for block in run.children)


# ---------------------------------------------------------------- the table


def _table(lines: Sequence[_Line], columns: Sequence[str], page: Page) -> list[Text]:
    widths = [
        max(cells(head), *(cells(line.numbers[i]) for line in lines if line.numbers), 0)
        for i, head in enumerate(columns)
    ]
    remarks = max((cells(line.remark) + 2 for line in lines if line.numbers and line.remark), default=0)
    room = page.width - 2 - len(_SIZE) - sum(2 + width for width in widths)
    room -= min(remarks, max(_FEWEST_REMARK_CELLS, room - _NAME_CELLS))
    longest = max(cells(line.name) for line in lines)
    name_width = min(max(longest, _FEWEST_NAME_CELLS), max(_FEWEST_NAME_CELLS, room))
    heads = "".join(f"  {column:>{width}}" for column, width in zip(columns, widths, strict=True))
    head = Text(f"{'':{name_width}}  {_SIZE}{heads}", STYLES["faint"])
    return [head, *(_table_row(line, name_width, widths, page) for line in lines)]


def _table_row(line: _Line, name_width: int, widths: Sequence[int], page: Page) -> Text:
    size_width = 2 + len(_SIZE)
    if line.bar is None:
        name = clip(line.name, name_width)
        row = Text(f"{name}{' ' * (name_width - cells(name))}{line.size:>{size_width}}")
    else:
        drawn = bar(line.bar, min(LONGEST_BAR, name_width + size_width - cells(line.name) - 2))
        row = Text(f"{line.name} {drawn}".ljust(name_width + size_width))
    for text, width in zip(line.numbers, widths, strict=False):
        row.append(f"  {text:>{width}}")
    if line.remark:
        remark = clip_end(line.remark, max(_FEWEST_REMARK_CELLS, page.width - row.cell_len) - 2)
        row.append("  " + remark, line.style or None)
    return row
