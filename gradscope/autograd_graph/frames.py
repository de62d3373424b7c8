"""The frames of a picture: open modules and functions, and blocks of which one is shown."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from gradscope.autograd_graph.agreed import lines, turns
from gradscope.autograd_graph.drawing import Cluster
from gradscope.autograd_graph.modules import OUTSIDE, GroupKind, Tree
from gradscope.autograd_graph.opening import Opened
from gradscope.autograd_graph.words import Words, times
from gradscope.facts.graph import AutogradGraph
from gradscope.finding import Location

SCRIPT = "<module>"  # what Python calls the function that is a file's own code


class Frame(NamedTuple):
    """What stands around a box: the id of the cluster, the group that it is of, and what it says.

    `turns` and `line` need not be said again inside it.
    """

    id: str | None = None
    group: int = OUTSIDE
    turns: int = 1
    line: Location | None = None


_NONE = Frame()


class Frames:
    """The frames around everything in a graph. `clusters` stand outer ones first."""

    def __init__(self, graph: AutogradGraph, tree: Tree, opened: Opened, words: Words) -> None:
        self._tree, self._opened, self._words = tree, opened, words
        self._lines = lines(graph, tree)
        self.turns = turns(graph, tree, opened.folds)
        self.clusters: list[Cluster] = []
        self._inside: list[Frame] = []
        self._of_runs: dict[int, Frame] = {}
        followers = {group for run in opened.folds.runs.values() for group in run.groups[1:]}
        # a group that holds one thing alone gets no frame: that would only be a second one around it
        self._parts = Counter(
            [
                group.parent
                for index, group in enumerate(tree.groups)
                if opened.folds.shown_groups[index] == index and index not in followers
            ]
        )
        for index in range(len(tree.groups)):
            self._inside.append(self._frame_inside(index))

    def around_node(self, node: int) -> Frame:
        """The frame that a node stands in."""
        group = self._tree.group_of[node]
        return self._inside[group] if group != OUTSIDE else _NONE

    def own_name(self, node: int, name: str) -> str:
        """The name of a parameter that a node takes in, without the module that the frame around it names."""
        group = self.around_node(node).group
        inside, _, own = name.rpartition(".")
        path = self._tree.groups[group].path if group != OUTSIDE else ""
        return own if inside and (path == inside or path.endswith(f".{inside}")) else name

    def around_group(self, index: int) -> Frame:
        """The frame that a group itself stands in."""
        if index in self._of_runs:
            return self._of_runs[index]
        parent = self._tree.groups[index].parent
        return self._inside[parent] if parent != OUTSIDE else _NONE

    def _frame_inside(self, index: int) -> Frame:
        opened, parent = self._opened, self._tree.groups[index].parent
        if opened.folds.shown_groups[index] != index or (
            parent != OUTSIDE and opened.closed[parent] != OUTSIDE
        ):
            return _NONE
        run = opened.folds.runs.get(index)
        if run is not None and len(run.groups) > 1:
            self._add_run(index)
        around = self.around_group(index)
        if opened.closed[index] != OUTSIDE or not self._is_framed(index):
            return around
        line = self._lines[index] or around.line
        frame = Frame(f"g{index}", index, self.turns[index], line)
        blocks = run if run is not None and len(run.groups) == 1 else None
        title = self._words.run_title(blocks, around.group) if blocks else None
        title = title or self._words.group_title(index, around.group)
        if frame.turns != around.turns:
            title += times(frame.turns)
        if line is not None and line != around.line:
            title += f"  {self._words.where(line)}"
        self.clusters.append(Cluster(f"g{index}", title, around.id, blocks.turns if blocks else 1))
        return frame

    def _add_run(self, index: int) -> None:
        """Frames the blocks that alternate with others."""
        run = self._opened.folds.runs[index]
        first = run.groups[0]
        if index == first:
            around = self.around_group(index)
            title = self._words.run_title(run, around.group)
            self.clusters.append(Cluster(f"r{first}", title, around.id, run.turns))
            self._of_runs[first] = around._replace(id=f"r{first}")
        self._of_runs[index] = self._of_runs[first]

    def _is_framed(self, index: int) -> bool:
        group = self._tree.groups[index]
        if group.kind is GroupKind.FUNCTION:
            return group.location is not None and group.location.function not in (None, SCRIPT)
        if group.kind is not GroupKind.MODULE or self._opened.bare[index]:
            return False
        return bool(group.nodes) or self._parts[index] > 1 or index in self._opened.folds.runs
