"""The tree of modules, functions and lines that a graph folds up into, with what each of them holds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Final

from rich.text import Text

from gradscope.autograd_graph.agreed import turns
from gradscope.autograd_graph.drawing import WHOLE, View
from gradscope.autograd_graph.figures import elements
from gradscope.autograd_graph.modules import OUTSIDE, Group, GroupKind, tree_of
from gradscope.autograd_graph.opening import opened
from gradscope.autograd_graph.words import times
from gradscope.facts.graph import AutogradGraph, NodeKind
from gradscope.reporters.screen.bars import MOST_BARS, Bars
from gradscope.reporters.screen.graph.outline import Outline, OutlineRow, Part
from gradscope.reporters.screen.graph.table import Line, table
from gradscope.reporters.screen.graph.words import is_single_file, source_text
from gradscope.reporters.screen.page import STYLES, Page
from gradscope.reporters.screen.words import (
    bytes_text,
    clip,
    clip_end,
    duration,
    plural,
    scientific,
    short_count,
)

HEADS: Final = ("nodes", "parameters", "|grad|", "backward", "saved")
MEASURED: Final = 3  # of the columns, those that a bar has too
_LAST_BARS: Final = 5
_MOST_LOOSE: Final = 8
_LONGEST_LINE: Final = 60
_LONGEST_PLACE: Final = 22


def group_lines(
    graph: AutogradGraph, view: View, page: Page, more: Sequence[Line] = (), *, modules_only: bool = False
) -> list[Text]:
    """The tree, what lies outside it, and `more` rows; empty where there is no group and none of those.

    With `modules_only` there is no tree of a graph without modules: its nodes are listed anyway.
    """
    lines = list(more)
    if graph.modules or not modules_only:
        lines[:0] = _Groups(graph, view, page).lines()
    return table(HEADS, lines, MEASURED, page) if lines else []


class _Groups:
    def __init__(self, graph: AutogradGraph, view: View, page: Page) -> None:
        self._graph, self._view, self._page = graph, view, page
        self._tree = tree_of(graph, page.cwd)
        self._opened = opened(graph, self._tree, View(depth=WHOLE, fold=view.fold))
        self._turns = turns(graph, self._tree, self._opened.folds)
        self._single_file = is_single_file(graph)
        self._outline = Outline(self._tree, self._opened)

    def lines(self) -> Iterator[Line]:
        """A row for each group that is shown, then those of nodes in no group."""
        if not self._tree.groups:
            return
        for row in self._outline.rows(self._view.depth):
            yield from self._row(row)
        yield from self._loose()

    def _row(self, row: OutlineRow) -> Iterator[Line]:
        indent = "  " * row.depth
        part = row.part
        if part is None:
            yield Line(f"{indent}... {row.hidden:,} more ...")
            return
        if part.run is None:
            group = self._tree.groups[part.group]
            line = self._line(indent + self._name(part), [group])
            yield replace(line, is_source=group.kind is GroupKind.LINE)
            return
        members = self._outline.turns(part.run)
        groups = [self._tree.groups[each] for turn in members for each in turn]
        bars = list(self._bars(members, indent + "  ")) if row.is_open else []
        yield self._line(indent + self._run_name(part), groups)
        yield from bars

    def _line(self, name: str, groups: Sequence[Group]) -> Line:
        """What some groups hold together."""
        seconds = [group.seconds for group in groups if group.seconds is not None]
        parameters = sum(group.parameters for group in groups)
        norm = _norm(groups)
        numbers = (
            f"{sum(group.size for group in groups):,}",
            short_count(parameters) if parameters > 0 else "",
            scientific(norm) if norm is not None else "",
            duration(sum(seconds)) if seconds else "",
            _saved(sum(group.saved_bytes for group in groups)),
        )
        return Line(name, numbers, style=_style(norm))

    # ------------------------------------------------------------ names

    def _name(self, part: Part) -> str:
        group, text = self._tree.groups[part.group], self._page.text
        count = self._turns[part.group]
        again = count if group.parent == OUTSIDE or self._turns[group.parent] != count else 1
        if group.kind is GroupKind.MODULE:
            titled = group.class_name and (group.level == 0 or group.name.isdecimal() or again > 1)
            name = group.path if group.level == 0 else group.name
            name = f"{name} ({group.class_name})" if titled else name
            name = f"in {name}" if part.inner else name
            return text(name) + (f"{times(again)} calls" if again > 1 else "")
        if group.kind is GroupKind.LINE:
            return clip_end(text(self._line_name(group)), _LONGEST_LINE) + times(again)
        return text(group.name) + times(again)

    def _line_name(self, group: Group) -> str:
        """`line 12  loss = f(x)`: the text of its last place with a variable, or of its last."""
        places = [self._graph.places[self._graph.nodes[node].place] for node in reversed(group.nodes[-50:])]
        named = [place for place in places if place.variable]
        where = group.location
        line = f"line {where.line}" if where and self._single_file else clip(group.name, _LONGEST_PLACE)
        return f"{line}  {source_text((named or places)[0])}".rstrip()

    def _run_name(self, part: Part) -> str:
        """ "h [12 x Block]"; of a run beside others "0 to 11 [12 x Block]"."""
        assert part.run is not None
        groups, run = self._tree.groups, part.run
        names = [groups[each].class_name or groups[each].name for each in run.groups]
        what = names[0] if len(names) == 1 else f"({', '.join(names)})"
        own = groups[part.group]
        if part.group == run.groups[0]:
            name = f"{own.name} to {groups[run.last].name}"
        else:
            name = f"{own.path} ({own.class_name})" if own.level == 0 and own.class_name else own.name
        return self._page.text(f"{name} [{run.turns:,} x {what}]")

    # ------------------------------------------------------------ bars

    def _bars(self, members: Sequence[Sequence[int]], indent: str) -> Iterator[Line]:
        turns_of = [[self._tree.groups[each] for each in turn] for turn in members]
        norms = [_norm(groups) for groups in turns_of]
        known = [norm for norm in norms if norm is not None]
        if not known:
            return
        scale = Bars(known)
        names = [self._page.text(groups[0].name) for groups in turns_of]
        shown = _sample(len(names))
        width = max(len(names[index]) for index in shown if index is not None)
        for index in shown:
            if index is None:
                yield Line(f"{indent}{'...':>{width}}", ("",) * len(HEADS), bar=0.0)
                continue
            whole = self._line("", turns_of[index])
            norm = norms[index]
            length = scale.length(norm) if norm is not None else 0.0
            yield Line(f"{indent}{names[index]:>{width}}", whole.numbers, style=whole.style, bar=length)
        if scale.is_log:
            yield Line(f"{indent}{'':>{width}} bars: log scale", style=STYLES["faint"])

    # ------------------------------------------------------------ outside groups

    def _loose(self) -> Iterator[Line]:
        """Nodes in no group: leaves outside modules, and ops that stand alone on their line."""
        shown, nodes = self._opened.folds.shown, self._graph.nodes
        loose = [index for index in self._tree.loose if shown[index] == index]
        for index in islice(loose, _MOST_LOOSE):
            node = nodes[index]
            place = self._graph.place(node)
            name = node.leaf if node.kind is NodeKind.LEAF else source_text(place) or node.name
            parameters = elements(node.shapes[0]) if node.is_parameter and node.shapes else 0
            numbers = (
                "1",
                short_count(parameters) if parameters > 0 else "",
                scientific(abs(node.incoming)) if node.incoming is not None else "",
                duration(node.seconds) if node.seconds is not None else "",
                _saved(node.saved_bytes),
            )
            text = self._page.text(name or "leaf")
            yield Line(text, numbers, style=_style(node.incoming), is_source=node.leaf is None)
        if len(loose) > _MOST_LOOSE:
            yield Line(f"and {plural(len(loose) - _MOST_LOOSE, 'more node')} in none of these")


def _norm(groups: Sequence[Group]) -> float | None:
    """The norm of one group; of several that of all their parameters, None where they have none."""
    counted = groups if len(groups) == 1 else [group for group in groups if group.parameters]
    norms = [group.norm for group in counted if group.norm is not None]
    if not norms:
        return None
    return math.nan if any(map(math.isnan, norms)) else math.hypot(*norms)


def _style(norm: float | None) -> str:
    return STYLES["error"] if norm is not None and not math.isfinite(norm) else ""


def _saved(count: int) -> str:
    return bytes_text(count) if count else ""


def _sample(count: int) -> list[int | None]:
    """At most twelve turns: the first, a gap, and the last."""
    if count <= MOST_BARS:
        return list(range(count))
    first = MOST_BARS - 1 - _LAST_BARS
    return [*range(first), None, *range(count - _LAST_BARS, count)]
