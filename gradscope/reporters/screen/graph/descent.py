"""In which order and under which lines the nodes of a small graph are listed, from the root down."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from gradscope.facts.graph import AutogradGraph


class Marks(NamedTuple):
    """What stands before a node, a constant, a reference; a rail, and where a branch leaves it."""

    node: str
    constant: str
    reference: str
    rail: str
    branch: str
    last: str


BOXES: Final = Marks("● ", "○ ", "> ", "│ ", "├─", "└─")
PLAIN: Final = Marks("* ", "o ", "> ", "| ", "|-", "`-")


def marks_for(encoding: str) -> Marks:
    """Box-drawing characters, or plain ones where the stream cannot encode those."""
    try:
        "".join(BOXES).encode(encoding)
    except UnicodeEncodeError:
        return PLAIN
    return BOXES


class Rung(NamedTuple):
    """A row: what is drawn before its text, and before further lines of it.

    It is a node; or, where others that stand further below lead to that node too, only a reference to it; or
    the constant of that index.
    """

    lead: str
    under: str
    node: int
    is_reference: bool = False
    constant: int | None = None


class _Entry(NamedTuple):
    node: int
    lead: str
    rail: str
    is_reference: bool = False
    constant: int | None = None


def descent(graph: AutogradGraph, marks: Marks) -> Iterator[Rung]:
    """Every node once, below the last of those that it leads to; each with what it was made of below it.

    The longest way goes straight down, as the first-parent line does in `git log --graph`; what else a
    node was made of branches off to the right before that.
    """
    walk = _Descent(graph, marks)
    for start in walk.starts():
        yield from walk.below(start)


class _Descent:
    def __init__(self, graph: AutogradGraph, marks: Marks) -> None:
        self._graph, self._marks = graph, marks
        self._waiting = [0] * len(graph.nodes)  # edges to a node from what is not listed yet
        self._height = [0] * len(graph.nodes)
        for index, node in enumerate(graph.nodes):
            for edge in node.next:
                if edge is not None:
                    self._waiting[edge[0]] += 1
                    self._height[index] = max(self._height[index], self._height[edge[0]] + 1)
        self._constants: dict[int, list[int]] = {}
        for index, constant in enumerate(graph.constants):
            self._constants.setdefault(constant.node, []).append(index)

    def starts(self) -> list[int]:
        """The nodes that no other was made of, the last of the forward first."""
        return [index for index in range(len(self._graph.nodes) - 1, -1, -1) if not self._waiting[index]]

    def below(self, start: int) -> Iterator[Rung]:
        """A node, and all that it alone was made of."""
        marks = self._marks
        stack = [_Entry(start, "", "")]
        while stack:
            node, lead, rail, is_reference, constant = stack.pop()
            if is_reference or constant is not None:
                mark = marks.reference if is_reference else marks.constant
                yield Rung(lead + mark, rail, node, is_reference, constant)
                continue
            branches, straight = self._made_of(node)
            has_more = bool(branches) or straight is not None
            yield Rung(lead + marks.node, rail + (marks.rail if has_more else "  "), node)
            below = []
            for at, entry in enumerate(branches):
                is_last = straight is None and at == len(branches) - 1
                turn, on = (marks.last, "  ") if is_last else (marks.branch, marks.rail)
                below.append(entry._replace(lead=rail + turn, rail=rail + on))
            if straight is not None:
                below.append(_Entry(straight, rail, rail))
            stack += reversed(below)

    def _made_of(self, node: int) -> tuple[list[_Entry], int | None]:
        """What branches off at a node, and the node that stands straight below it."""
        entries = []
        for edge in self._graph.nodes[node].next:
            if edge is not None:
                self._waiting[edge[0]] -= 1
                entries.append(_Entry(edge[0], "", "", is_reference=self._waiting[edge[0]] > 0))
        entries += [_Entry(node, "", "", constant=index) for index in self._constants.get(node, ())]
        # what stands further below is referred to before any of it can stand there
        entries.sort(key=lambda entry: not entry.is_reference)
        straight = self._straight(entries)
        return [entry for at, entry in enumerate(entries) if at != straight], (
            entries[straight].node if straight is not None else None
        )

    def _straight(self, entries: Sequence[_Entry]) -> int | None:
        """Which of the entries has the longest way below it, None where all are references or constants."""
        whole = [at for at, entry in enumerate(entries) if not entry.is_reference and entry.constant is None]
        return max(whole, key=lambda at: self._height[entries[at].node], default=None)
