"""Which group every node of a graph belongs to."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Final

from gradscope.facts.graph import UNKNOWN, AutogradGraph, GraphPlace, NodeKind
from gradscope.finding import Location
from gradscope.reporters.paths import near

OUTSIDE: Final = -1
"""The group of a node that belongs to none, and the parent of a group that lies in none."""

_MOST_LOOSE = 8  # leaves outside modules, and nodes of one name without a line, that stand alone
_SUBSCRIPT = re.compile(r"[\d\[\]().'\"]*$")


class GroupKind(StrEnum):
    """What holds the nodes of a group together."""

    MODULE = "module"
    FUNCTION = "function"  # made outside modules, in one function; "<module>" is the script itself
    LINE = "line"
    NAME = "name"  # nodes of one name whose line is not known
    LEAVES = "leaves"  # leaves outside modules: "weights[0]", "weights[1]", ...


class Draft:
    """A group that is being put together."""

    __slots__ = ("class_name", "first", "kind", "location", "name", "nodes", "parent", "path")

    def __init__(
        self, kind: GroupKind, name: str, path: str, parent: Draft | None, location: Location | None
    ) -> None:
        self.kind, self.name, self.path, self.parent, self.location = kind, name, path, parent, location
        self.class_name: str | None = None
        self.nodes: list[int] = []
        self.first = -1  # the first node in it or in a group inside it


class Drafts:
    """The groups of a graph, made as nodes are given to them.

    `known` are all of them by what they are made for, `of` gives that of each node and `of_place` that of
    each place, None for what belongs to none.
    """

    def __init__(self, graph: AutogradGraph, cwd: str) -> None:
        self._graph = graph
        self._cwd = cwd
        self.known: dict[object, Draft] = {}
        self.of: list[Draft | None] = []
        self.of_place: list[Draft | None] = []
        roots = [path for path in graph.modules if self._parent_path(path) is None]
        self._single = roots[0] if len(roots) == 1 else None

    # ------------------------------------------------------------ which group

    def assign(self) -> None:
        """Gives every node its group."""
        place_of = [node.place for node in self._graph.nodes]
        made = Counter(place_of)
        self.of_place = self._places(made)
        if not made[UNKNOWN]:
            self.of = [self.of_place[place] for place in place_of]
            return
        of_place = [*self.of_place, None]  # for UNKNOWN, which is -1
        self.of = [of_place[place] for place in place_of]
        self._assign_others([index for index, place in enumerate(place_of) if place == UNKNOWN])

    def _assign_others(self, indices: Sequence[int]) -> None:
        """Gives leaves, and nodes of which no line is known, their groups."""
        nodes, leaf = self._graph.nodes, NodeKind.LEAF
        named: dict[str, list[int]] = defaultdict(list)
        for index in indices:
            if nodes[index].kind is not leaf:
                named[nodes[index].name].append(index)
        for name, unplaced in named.items():
            if len(unplaced) > _MOST_LOOSE:
                draft = self.known[GroupKind.NAME, name] = Draft(GroupKind.NAME, name, name, None, None)
                for index in unplaced:
                    self.of[index] = draft
        self._assign_leaves([index for index in indices if nodes[index].kind is leaf])

    def _places(self, made: Mapping[int, int]) -> list[Draft | None]:
        """The group of each place: its line where that made several nodes, else what is around that.

        `made` tells how many nodes each place made.
        """
        graph = self._graph
        places = graph.places
        containers: dict[object, dict[object, list[int]]] = {}
        for index, place in enumerate(places):
            if made[index]:
                where, key = place.location, place.module or _function_key(place)
                lines = containers.setdefault(key, {})
                lines.setdefault((where.path, where.line) if where is not None else None, []).append(index)
        found: list[Draft | None] = [None] * len(places)
        inner = self._with_modules_inside(containers)
        for key, lines in containers.items():
            alone = len(lines) == 1 and key not in inner
            for at, indices in lines.items():
                count = sum([made[index] for index in indices])
                draft = self._group_of_line(places[indices[0]], count, alone and at is not None)
                for index in indices:
                    found[index] = draft
        return found

    def _group_of_line(self, place: GraphPlace, count: int, alone: bool) -> Draft | None:
        """The group of the `count` nodes that a line made. `alone` says that nothing else is around it."""
        if place.module is not None:
            module = self._module(place.module)
            return module if alone or count == 1 or place.location is None else self._line(place, module)
        if place.location is None or (alone and count == 1):
            return None
        around = None if alone else self._function(place.location)
        return self._line(place, around) if count > 1 else around

    def _with_modules_inside(self, containers: Iterable[object]) -> set[object]:
        """The modules among the containers in which other modules made nodes."""
        found: set[object] = set()
        for key in containers:
            path = self._parent_path(key) if isinstance(key, str) else None
            while path is not None and path not in found:
                found.add(path)
                path = self._parent_path(path)
        return found

    def _module(self, path: str) -> Draft:
        if path in self.known:
            return self.known[path]
        missing = []
        at: str | None = path
        while at is not None and at not in self.known:
            missing.append(at)
            at = self._parent_path(at)
        parent = self.known[at] if at is not None else None
        for one in reversed(missing):
            name = one if parent is None else one[len(parent.path) + 1 :]
            parent = self.known[one] = Draft(GroupKind.MODULE, name, one, parent, None)
            parent.class_name = self._graph.modules.get(one)
        return self.known[path]

    def _parent_path(self, path: str) -> str | None:
        """The path of the module around one. A name may have dots in it, so the longest known one counts."""
        around = path
        while "." in around:
            around = around.rpartition(".")[0]
            if around in self._graph.modules:
                return around
        return None

    def _function(self, where: Location) -> Draft:
        key = (where.path, where.function)
        draft = self.known.get(key)
        if draft is None:
            file = near(Location(where.path, where.line), self._cwd).rpartition(":")[0]
            own = where.function not in (None, "<module>")
            name = f"{where.function} in {file}" if own else file
            start = Location(where.path, where.line, function=where.function)
            draft = self.known[key] = Draft(GroupKind.FUNCTION, name, name, None, start)
        return draft

    def _line(self, place: GraphPlace, around: Draft | None) -> Draft:
        where = place.location
        assert where is not None
        key = (around, where.at)
        draft = self.known.get(key)
        if draft is None:
            name = near(where, self._cwd)
            draft = self.known[key] = Draft(GroupKind.LINE, name, name, around, where)
        return draft

    # ------------------------------------------------------------ leaves

    def _assign_leaves(self, leaves: Sequence[int]) -> None:
        stems: dict[str, list[int]] = defaultdict(list)
        owners: dict[str, str | None] = {}
        bare: list[int] = []
        for index in leaves:
            node = self._graph.nodes[index]
            inside = node.leaf.rpartition(".")[0] if node.leaf and node.is_parameter else ""
            if inside not in owners:
                owners[inside] = self._owner(inside) if inside else None
            owner = owners[inside]
            if owner is not None:
                self.of[index] = self._module(owner)
            else:
                bare.append(index)
        users = self._first_users() if self._single is not None and bare else {}
        for index in bare:
            node, user = self._graph.nodes[index], users.get(index)
            # "w" may be a parameter of the only root module, or one that the script made: its user tells
            if node.is_parameter and _is_bare(node.leaf) and _is_in_module(user):
                self.of[index] = self._module(str(self._single))
            else:
                stems[_stem(node.leaf or "")].append(index)
        for stem, indices in stems.items():
            if len(indices) > _MOST_LOOSE:
                self._many_leaves(stem, indices)

    def _many_leaves(self, stem: str, indices: Sequence[int]) -> None:
        nodes = self._graph.nodes
        name = f"{nodes[indices[0]].leaf or 'leaf'} to {nodes[indices[-1]].leaf or 'leaf'}"
        draft = Draft(GroupKind.LEAVES, name, name, None, None)
        self.known[GroupKind.LEAVES, stem] = draft
        for index in indices:
            self.of[index] = draft

    def _first_users(self) -> dict[int, Draft | None]:
        """The group of the first node that took in each leaf."""
        found: dict[int, Draft | None] = {}
        nodes = self._graph.nodes
        for index, node in enumerate(nodes):
            for edge in node.next:
                if edge is not None and nodes[edge[0]].kind is NodeKind.LEAF:
                    found.setdefault(edge[0], self.of[index])
        return found

    def _owner(self, inside: str) -> str | None:
        """The module that a parameter's name tells to own it; with one root module, names begin below it."""
        modules = self._graph.modules
        if self._single is not None and f"{self._single}.{inside}" in modules:
            return f"{self._single}.{inside}"
        while inside and inside not in modules:
            inside = inside.rpartition(".")[0]
        return inside or None


def _is_in_module(draft: Draft | None) -> bool:
    while draft is not None and draft.kind is not GroupKind.MODULE:
        draft = draft.parent
    return draft is not None


def _stem(name: str) -> str:
    """What leaves outside modules have in common: "weights[0]", "w3", "h.0.bias" of a model not known."""
    first, dot, _ = name.partition(".")
    return first + dot if dot else _SUBSCRIPT.sub("", name)


def _is_bare(name: str | None) -> bool:
    return bool(name) and "." not in str(name)


def _function_key(place: GraphPlace) -> object:
    """The function of a file that a line stands in."""
    where = place.location
    return (where.path, where.function) if where is not None else None
