"""From a graph and a view of it to the drawing that every format draws."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain

from gradscope.autograd_graph.cuts import broken_ways
from gradscope.autograd_graph.drawing import Arrow, Box, BoxKind, Colour, Drawing, Scale, Subject, View
from gradscope.autograd_graph.figures import elements
from gradscope.autograd_graph.frames import Frames
from gradscope.autograd_graph.heat import Heat, mark_of, measure, top
from gradscope.autograd_graph.inputs import Inputs, inputs
from gradscope.autograd_graph.marked import marked_nodes, worst
from gradscope.autograd_graph.modules import OUTSIDE, Tree, tree_of
from gradscope.autograd_graph.opening import Opened, opened
from gradscope.autograd_graph.roots import root_boxes
from gradscope.autograd_graph.selection import Part, part_of
from gradscope.autograd_graph.wires import wires
from gradscope.autograd_graph.words import Words, times
from gradscope.facts.graph import AutogradGraph, NodeKind
from gradscope.finding import Finding
from gradscope.reporters.paths import near
from gradscope.reporters.screen.words import number, plural, short_count

_KINDS = {
    NodeKind.OP: BoxKind.OP,
    NodeKind.LEAF: BoxKind.LEAF,
    NodeKind.CUSTOM: BoxKind.CUSTOM,
    NodeKind.CHECKPOINT: BoxKind.CHECKPOINT,
    NodeKind.COMPILED: BoxKind.COMPILED,
    NodeKind.VALUE: BoxKind.VALUE,
}


def drawing_of(subject: Subject, view: View) -> Drawing:
    """What is drawn of a graph. Raises UsageError where the view names what is not there.

    The ids of boxes: `n` and the number of a node, `g` of a group; those of other boxes begin with `k`
    (constants), `root`, `cut` or `lost`.
    """
    part = part_of(subject.graph, view, subject.cwd)
    return _Picture(subject, view, part).drawing()


class _Picture:
    """One drawing while it is put together.

    Every node has a key: its own number where it has a box of its own, the number of the closed group that
    it is drawn in, less than 0, otherwise.
    """

    def __init__(self, subject: Subject, view: View, part: Part) -> None:
        self._subject, self._view, self._part = subject, view, part
        self._graph: AutogradGraph = part.graph
        self._tree: Tree = tree_of(part.graph, subject.cwd)
        self._opened: Opened = opened(part.graph, self._tree, view)
        self._words = Words(part.graph, self._tree, subject.cwd, view.colour)
        self._frames = Frames(part.graph, self._tree, self._opened, self._words)
        self._keys = self._node_keys()
        self._members = self._nodes_by_key()

    def _node_keys(self) -> list[int]:
        """The key of each node."""
        shown_groups = self._opened.folds.shown_groups
        closed = [0 if group == OUTSIDE else -1 - shown_groups[group] for group in self._opened.closed]
        closed.append(0)  # for OUTSIDE, which is -1
        group_of = self._tree.group_of
        return [closed[group_of[node]] or node for node in self._opened.folds.shown]

    def _copies(self) -> list[int]:
        """For each node the closed group that it is in itself, less than 0; 0 for none, and in loops."""
        turns = self._frames.turns
        closed = [0 if group == OUTSIDE or turns[group] > 1 else -1 - group for group in self._opened.closed]
        closed.append(0)  # for OUTSIDE, which is -1
        return [closed[group] for group in self._tree.group_of]

    def _nodes_by_key(self) -> dict[int, list[int]]:
        members: dict[int, list[int]] = defaultdict(list)
        for node, key in enumerate(self._keys):
            members[key].append(node)
        return members

    def drawing(self) -> Drawing:
        """The whole picture."""
        graph, words, keys = self._graph, self._words, self._keys
        ids = {key: f"n{self._part.original[key]}" if key >= 0 else f"g{-1 - key}" for key in self._members}
        broken = broken_ways(self._subject, graph, lambda node: ids[keys[node]])
        severed = {constant for one in broken for constant in one.constants}
        extra = inputs(graph, self._opened.folds.shown, keys, self._part.original, self._frames, severed)
        boxes, scale = self._boxes(ids, extra)
        roots, root_arrows = root_boxes(graph, words, self._subject.cwd, lambda node: ids[keys[node]])
        arrows: list[Arrow] = [
            *chain.from_iterable(one.arrows for one in broken),
            *extra.arrows,
            *wires(graph, self._opened.folds, keys, self._copies(), ids, words),
            *root_arrows,
        ]
        return Drawing(
            title=self._subject.target or "autograd graph",
            lines=tuple(self._head()),
            clusters=tuple(self._frames.clusters),
            boxes=(*chain.from_iterable(one.boxes for one in broken), *boxes, *roots),
            arrows=tuple(arrows),
            scale=scale,
            notes=tuple(self._notes()),
        )

    # ------------------------------------------------------------ boxes

    def _boxes(self, ids: Mapping[int, str], extra: Inputs) -> tuple[list[Box], Scale | None]:
        """The boxes in the order of the forward, each after the constants that it takes in."""
        colour, whole = self._view.colour, len(self._graph.nodes) == len(self._subject.graph.nodes)
        values = {key: self._values(key, members) for key, members in self._members.items()}
        tops = {key: top(each) for key, each in values.items()}
        heat = Heat(list(tops.values()), colour)
        marked = self._findings()
        boxes: list[Box] = []
        for key, members in self._members.items():
            kind, title, lines, frame = self._node(key) if key >= 0 else self._group(-1 - key)
            findings = marked.get(key, ())
            boxes.extend(extra.boxes.get(key, ()))
            boxes.append(
                Box(
                    id=ids[key],
                    kind=kind,
                    title=title,
                    lines=tuple(lines),
                    cluster=frame,
                    nodes=tuple(members if whole else [self._part.original[node] for node in members]),
                    heat=heat.of(tops[key]),
                    severity=worst(findings) if findings else None,
                    codes=tuple(dict.fromkeys([finding.code for finding in findings])) if findings else (),
                    mark=mark_of(values[key]) if colour is Colour.GRADIENT else None,
                )
            )
        return boxes, heat.scale

    def _values(self, key: int, members: Sequence[int]) -> list[float | None]:
        """What the nodes or groups that a box stands for are coloured by."""
        colour = self._view.colour
        if key >= 0:
            nodes = self._graph.nodes
            return [measure(nodes[node], colour) for node in members]
        return [measure(self._tree.groups[group], colour) for group in self._groups_like(-1 - key)]

    def _node(self, node: int) -> tuple[BoxKind, str, list[str], str | None]:
        words, frame = self._words, self._frames.around_node(node)
        turns = self._opened.folds.loops.get(node, 1)
        title = words.node_title(node, self._members[node], turns if turns != frame.turns else 1)
        lines = words.node_lines(node, self._members[node], frame.line)
        group = self._tree.group_of[node]
        if group != OUTSIDE and self._opened.bare[group]:
            lines.insert(0, words.group_title(group, frame.group))
        return _KINDS[self._graph.nodes[node].kind], title, lines, frame.id

    def _group(self, group: int) -> tuple[BoxKind, str, list[str], str | None]:
        words, frame = self._words, self._frames.around_group(group)
        run = self._opened.folds.runs.get(group)
        lines = words.group_lines(group, self._groups_like(group))
        if run is not None and len(run.groups) == 1:
            return BoxKind.BLOCKS, words.run_title(run, frame.group), lines, frame.id
        turns = self._frames.turns[group]
        title = words.group_title(group, frame.group) + (times(turns) if turns != frame.turns else "")
        return BoxKind.GROUP, title, lines, frame.id

    def _groups_like(self, group: int) -> list[int]:
        """The groups that a closed one is drawn for, itself the first."""
        return self._alike.get(group) or [group]

    @cached_property
    def _alike(self) -> dict[int, list[int]]:
        return self._opened.folds.group_members()

    def _findings(self) -> dict[int, list[Finding]]:
        """The findings at each box, by its key."""
        found: dict[int, list[Finding]] = defaultdict(list)
        for node, findings in marked_nodes(self._graph, self._subject.findings).items():
            found[self._keys[node]].extend(findings)
        return found

    # ------------------------------------------------------------ around the picture

    def _head(self) -> Iterator[str]:
        graph = self._subject.graph
        parts = []
        if graph.backward is not None:
            verb = "backward" if graph.call == "backward" else "autograd.grad"
            parts.append(f"{verb} at {near(graph.backward, self._subject.cwd)}")
        if graph.loss is not None:
            parts.append(f"loss {number(graph.loss)}")
        parts.append(plural(len(graph.nodes), "node"))
        count = sum(elements(leaf.shapes[0]) for leaf in graph.leaves if leaf.is_parameter and leaf.shapes)
        if count:
            parts.append(f"{short_count(count)} parameters")
        yield ", ".join(parts)
        if self._part.words:
            yield f"{self._part.words}: {plural(len(self._graph.nodes), 'node')}"

    def _notes(self) -> Iterator[str]:
        if any(group != OUTSIDE for group in self._opened.closed):
            yield "closed boxes hold several nodes each: --depth all opens them"
        yield from self._subject.graph.notes
        for text in self._subject.graph.not_seen:
            yield f"not seen: {text}"
