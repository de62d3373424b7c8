"""What stands in the boxes and above the frames of a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property, lru_cache

from gradscope.autograd_graph.agreed import outer_calls
from gradscope.autograd_graph.drawing import Colour
from gradscope.autograd_graph.folding import Run
from gradscope.autograd_graph.heat import measure, text_of
from gradscope.autograd_graph.modules import OUTSIDE, Group, GroupKind, Tree
from gradscope.facts.graph import UNKNOWN, AutogradGraph, GraphNode, GraphPlace, NodeKind
from gradscope.finding import Location
from gradscope.reporters.paths import near
from gradscope.reporters.screen.words import clip, number, plural, scientific, shape_text, short_count

_LONGEST = 44  # characters of source text and of names in a box
_LONGEST_PLACE = 30
_USUAL = ("float32", "")


def source_words(place: GraphPlace | None) -> str:
    """ "c = b ** 2", "x + 1", or nothing: what a place computes, in one line of the program's own text."""
    if place is None or place.expression is None:
        return ""
    text = " ".join(place.expression.split())
    return clip(f"{place.variable} = {text}" if place.variable else text, _LONGEST)


def times(count: int) -> str:
    """ " x 2,000", or nothing for one."""
    return f" x {count:,}" if count > 1 else ""


def spread(values: Sequence[float | None], colour: Colour = Colour.GRADIENT) -> str:
    """One value, or the least and the greatest of several: "1.2e-01 to 4.4e+00"."""
    known = [abs(value) for value in values if value is not None]
    if not known:
        return ""
    strange = [value for value in known if not math.isfinite(value)]
    low, high = (min(known), max(known)) if not strange else (strange[0], strange[0])
    texts = list(dict.fromkeys((text_of(low, colour), text_of(high, colour))))
    some = f" in {len(strange):,} of {len(known):,}" if strange and len(strange) < len(known) else ""
    return " to ".join(texts) + some


@lru_cache(maxsize=4096)
def _shapes(shapes: tuple[tuple[int, ...], ...], dtypes: tuple[str, ...]) -> str:
    """ "(2, 8)", "3 x (2, 8)", "(2, 8), (8,)"; the dtype where it is not float32."""
    unique = list(dict.fromkeys(shapes))
    if len(unique) == 1:
        text = shape_text(unique[0]) if unique[0] else "scalar"
        text = f"{len(shapes):,} x {text}" if len(shapes) > 1 else text
    else:
        text = ", ".join(map(shape_text, shapes[:3])) + (", ..." if len(shapes) > 3 else "")
    others = dict.fromkeys(dtype for dtype in dtypes if dtype not in _USUAL)
    return " ".join([text, *others])


class Words:
    """Titles and lines for the nodes and groups of one graph."""

    def __init__(self, graph: AutogradGraph, tree: Tree, cwd: str, colour: Colour) -> None:
        self._graph, self._tree, self._cwd, self._colour = graph, tree, cwd, colour
        self._sources: dict[int, str] = {}
        # what the expression of a place comes to is its last node: `a @ b` makes several
        self._last = {node.place: node.name for node in graph.nodes}

    @cached_property
    def _is_outer(self) -> Sequence[bool]:
        return outer_calls(self._graph)

    def _source(self, place: int) -> str:
        text = self._sources.get(place)
        if text is None:
            text = self._sources[place] = source_words(self._graph.places[place])
        return text

    def where(self, location: Location | None) -> str:
        """`train.py:41`, or nothing; of a path that is long its last name."""
        text = near(location, self._cwd) if location is not None else ""
        return text if len(text) <= _LONGEST_PLACE else clip(text.rpartition("/")[2], _LONGEST)

    # ------------------------------------------------------------ nodes

    def node_title(self, index: int, members: Sequence[int], turns: int = 1) -> str:
        """Torch's name of a node, the name of a leaf, or what a region is; with how often a loop made it."""
        node = self._graph.nodes[index]
        if node.kind is NodeKind.LEAF and turns > 1:
            return f"{self._leaf_title(index)} to {self._leaf_title(members[-1])}"
        return self._title(index, node) + times(turns)

    def _title(self, index: int, node: GraphNode) -> str:
        kind = node.kind
        if kind is NodeKind.OP:
            return node.name
        if kind is NodeKind.LEAF:
            return self._leaf_title(index)
        if kind is NodeKind.CHECKPOINT:
            return "checkpoint"
        if kind is NodeKind.COMPILED:
            return "compiled region"
        definition = self._graph.definitions[node.definition] if node.definition != UNKNOWN else None
        return definition.name if definition is not None and definition.location is None else node.name

    def _leaf_title(self, index: int) -> str:
        name = self._graph.nodes[index].leaf or "leaf"
        group = self._tree.group_of[index]
        if group == OUTSIDE or self._tree.groups[group].kind is not GroupKind.MODULE:
            return clip(name, _LONGEST)
        return clip(name.rpartition(".")[2], _LONGEST)  # the frame around it tells the rest

    def node_lines(self, index: int, members: Sequence[int], line: Location | None) -> list[str]:
        """The lines below a node's title. `line` is the one that the frame around it names already."""
        node = self._graph.nodes[index]
        lines = []
        if node.place != UNKNOWN:
            if self._last[node.place] == node.name and not self._is_outer[node.place]:
                lines.append(self._source(node.place))
            where = self._graph.places[node.place].location
            if where is not None and (line is None or line.at != where.at):
                lines.append(self.where(where))
        lines += self._what(node)
        if self._graph.small:
            lines += self._values(index, node, members)
            return [line for line in lines if line]
        if node.shapes:
            lines.append(_shapes(node.shapes, node.dtypes))
        lines += self._measured([self._graph.nodes[each] for each in members])
        return [line for line in lines if line]

    def _what(self, node: GraphNode) -> list[str]:
        """What an unusual node is."""
        if node.kind is NodeKind.OP and node.parent is None and not node.saved:
            return []
        lines = []
        if node.kind is NodeKind.CHECKPOINT:
            lines.append("its inside is computed again in the backward")
        elif node.kind is NodeKind.COMPILED:
            lines.append("torch.compile made one node of it")
        elif node.kind is NodeKind.CUSTOM and node.definition != UNKNOWN:
            definition = self._graph.definitions[node.definition]
            if definition.location is None:
                lines.append("custom op")
            else:
                lines.append(f"backward of {definition.name}: {self.where(definition.location)}")
        if node.parent is not None:
            lines.append(f"in the backward of {node.parent}")
        if any(saved.recomputed for saved in node.saved):
            lines.append("recomputed by a checkpoint")
        return lines

    def _values(self, index: int, node: GraphNode, members: Sequence[int]) -> list[str]:
        """Both passes of a graph of scalars: the number of the forward, and the gradient."""
        lines = []
        if node.value is not None:
            name = self.value_name(index) if node.leaf is None else ""
            lines.append(f"{name} = {number(node.value)}" if name else f"value {number(node.value)}")
        if node.incoming is not None:
            lines.append(f"grad {number(node.incoming)}")
        if len(members) > 1:
            lines[-1:] = [f"{lines[-1]} and {len(members) - 1:,} more"] if lines else []
        return lines

    def value_name(self, index: int) -> str:
        """The variable that a node's value went to, or the leaf's name; "" where there is none."""
        node = self._graph.nodes[index]
        if node.leaf is not None:
            return clip(node.leaf, _LONGEST)
        place = self._graph.place(node)
        if place is None or not place.variable or self._last[node.place] != node.name:
            return ""
        return clip(place.variable, _LONGEST)

    def _measured(self, members: Sequence[GraphNode | Group]) -> list[str]:
        if len(members) == 1 and self._colour is Colour.GRADIENT:  # the most frequent case
            value = measure(members[0], Colour.GRADIENT)
            return [f"|grad| {scientific(abs(value))}"] if value is not None else []
        lines = []
        norms = spread([measure(one, Colour.GRADIENT) for one in members])
        if norms:
            lines.append(f"|grad| {norms}")
        if self._colour in (Colour.TIME, Colour.BYTES):
            known = [value for one in members if (value := measure(one, self._colour)) is not None]
            if known:
                saved = " saved" if self._colour is Colour.BYTES else ""
                lines.append(text_of(sum(known), self._colour) + saved)
        return lines

    # ------------------------------------------------------------ groups

    def group_title(self, index: int, around: int) -> str:
        """A module's path below the frame around it, with its class; a line, a function."""
        group = self._tree.groups[index]
        name = group.path if group.kind is not GroupKind.LINE else self.where(group.location)
        if around != OUTSIDE and group.kind is GroupKind.MODULE:
            name = name.removeprefix(f"{self._tree.groups[around].path}.")
        name = clip(name, _LONGEST)
        return f"{name} ({clip(group.class_name, _LONGEST)})" if group.class_name else name

    def run_title(self, run: Run, around: int) -> str:
        """ "12 x Block: h.0 to h.11"; of modules that alternate "10 x (Linear, ReLU): 0 to 19"."""
        groups = self._tree.groups
        names = [clip(groups[each].class_name or groups[each].name, _LONGEST) for each in run.groups]
        ends = [groups[run.groups[0]].path, groups[run.last].path]
        if around != OUTSIDE:
            ends = [end.removeprefix(f"{groups[around].path}.") for end in ends]
        what = names[0] if len(names) == 1 else f"({', '.join(names)})"
        return f"{run.turns:,} x {what}: {clip(ends[0], _LONGEST)} to {clip(ends[1], _LONGEST)}"

    def group_lines(self, index: int, members: Sequence[int]) -> list[str]:
        """How much a closed group holds, and its gradient."""
        group = self._tree.groups[index]
        each = " each" if len(members) > 1 else ""
        size = plural(group.size, "node")
        if group.parameters:
            size += f", {short_count(group.parameters)} parameters"
        source = self._line_source(group) if group.kind is GroupKind.LINE else ""
        lines = [source] if source else []
        lines.append(size + each)
        lines += self._measured([self._tree.groups[one] for one in members])
        return lines

    def _line_source(self, group: Group) -> str:
        """The text of the whole statement as far as it is known: that of its last place with a variable."""
        nodes = [self._graph.nodes[index] for index in group.nodes]
        named = [node for node in nodes if self._graph.places[node.place].variable]
        return self._source((named or nodes)[-1].place)
