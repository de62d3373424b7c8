"""The backward passes, and the chain rule at work in a small one."""

from __future__ import annotations

from dataclasses import dataclass

from gradscope.finding import Location


@dataclass(frozen=True, slots=True)
class Backward:
    """All backward passes of one line: how often it ran, and what its first one walked.

    `roots` are the names of what was differentiated; `seed` the gradient given to a non-scalar root.
    """

    location: Location | None
    call: str  # "backward" or "grad"
    count: int
    nodes: int
    leaves: int
    loss: float | None
    last_loss: float | None
    root: str | None = None
    seed: str | None = None
    create_graph: bool = False
    node_names: tuple[tuple[str, int], ...] = ()  # (node name, how many), most frequent first
    failed: int = 0  # of `count`, how many torch ended with an exception


@dataclass(frozen=True, slots=True)
class ChainRow:
    """One line of the chain-rule table: a node of a small graph, in the order backward visits it.

    `expression` is the source text ("a + 1"), `name` the variable it was assigned to. Scalars are in
    `value`, `incoming`, `outgoing`; for anything larger they are the 2-norms and `shape` is not empty.
    `local` are (input name, local derivative) pairs, one for each input that needs a gradient; for
    non-scalars the derivative is None. A leaf has no `node`; its `outgoing` is what is in `.grad` from
    this backward, and `paths` how many edges were summed.
    """

    name: str | None
    expression: str | None
    node: str | None
    location: Location | None
    shape: tuple[int, ...]
    value: float | None
    local: tuple[tuple[str, float | None], ...]
    incoming: float | None
    outgoing: tuple[tuple[str, float | None], ...]
    is_leaf: bool = False
    paths: int = 1


@dataclass(frozen=True, slots=True)
class ChainTable:
    """The chain rule at work in one backward of a small graph, from the root to the leaves."""

    backward: Location | None
    root: str | None
    value: float | None
    seed: str | None
    scalar: bool
    rows: tuple[ChainRow, ...]
    times: int = 1
