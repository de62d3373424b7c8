"""A backward of a micrograd-style engine, from the graph just before it to the facts after it."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from gradscope.facts import AutogradGraph, Backward, ChainTable
from gradscope.finding import Location
from gradscope.folds import chain_rule
from gradscope.folds.scalar_pass import ScalarPass
from gradscope.recorder.backward_lines import BackwardLine
from gradscope.recorder.engines.births import Births
from gradscope.recorder.engines.comparison import Comparison
from gradscope.recorder.engines.found import Engines
from gradscope.recorder.engines.graph import EngineGraph
from gradscope.recorder.engines.naming import Expression, namer, names_of
from gradscope.recorder.engines.reading import Reading, number, read_graph
from gradscope.recorder.engines.tables import Tables
from gradscope.recorder.now import Now
from gradscope.recorder.patches import Patches
from gradscope.recorder.places import Loc, intern_loc, user_frame

_CLOSE_LOOKS = 20
_MOST_READ = 200_000  # values, in all graphs together: some seconds
_MOST_BIRTHS = 1_000_000  # likewise


@dataclass(slots=True)
class _Pass:
    """One backward while it runs; `reading` is None where it is only counted."""

    loc: Loc
    line: BackwardLine
    reading: Reading | None
    seed: float | None
    chosen: bool


class _Inside(threading.local):
    """Whether this thread is inside a backward of an engine."""

    backward = False


class EngineWatch:
    """Watches the engines of a program. `ran` is called after every backward.

    The first twenty backwards are read, the first of every line, then those whose number is a power of two,
    until 200,000 values have been: reading a graph takes longer than its backward. No value is held when its
    backward is over.
    `graph_of` is the number, from 1, of the backward pass of the run whose graph is taken down.
    `existing` are the engines that exist already, where they are known.
    """

    def __init__(
        self,
        now: Now,
        expression_of: Expression,
        graph_of: int | None = None,
        existing: Iterable[type] | None = None,
    ) -> None:
        self._now = now
        self._expression_of = expression_of
        self._graph_of = graph_of
        self._inside = _Inside()
        self._lock = threading.RLock()
        self._engines = Engines(now, self._born, self._around, self._is_inside, existing)
        self._births = Births(now, self._engines.codes)
        self._lines: dict[Loc, BackwardLine] = {}
        self._tables = Tables()
        self._comparison = Comparison()
        self._graph: EngineGraph | None = None
        self._unread: dict[str, None] = {}
        self._read = 0
        self.count = 0
        self.ran: Callable[[], object] = lambda: None

    def install(self, patches: Patches) -> None:
        """Finds the engines that exist, and listens for new ones."""
        patches.finally_do(self._births.forget)
        self._engines.install(patches)

    def _born(self, value: Any) -> None:
        self._engines.met(value)
        self._births.born(value)

    def _is_inside(self) -> bool:
        return self._inside.backward

    # ------------------------------------------------------------ around a backward

    def _around(
        self, backward: Callable[..., Any], value: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        guarded = self._now.guarded
        begun: list[_Pass] = []
        self._inside.backward = True
        try:
            guarded("before an engine's backward", self._begin, begun, value, (*args, *kwargs.values()))
            try:
                returned = backward(*args, **kwargs)
            except BaseException:
                guarded("after an engine's backward", self._end, begun, True)
                raise
            guarded("after an engine's backward", self._end, begun, False)
        finally:
            self._inside.backward = False
        guarded("after an engine's backward", self.ran)
        return returned

    def _begin(self, begun: list[_Pass], root: Any, arguments: tuple[Any, ...]) -> None:
        with self._lock:
            self.count += 1
            self._now.passes += 1
            chosen = self._now.passes == self._graph_of
            loc = intern_loc(user_frame(sys._getframe(1)))
            line = self._lines.setdefault(loc, BackwardLine("backward", self._now.passes))
            line.count += 1
            close = chosen or self._is_close(self.count, line.count)
            reading = read_graph(root, self._engines.classes(), self._births.of) if close else None
            line.ran(reading.nodes[0].value if reading is not None else _plain_loss(root))
            begun.append(_Pass(loc, line, reading, _seed(arguments), chosen))
            if reading is not None:
                self._read += len(reading.values)
                if line.count == 1:
                    self._describe(line, reading)
            elif close:
                self._unread.setdefault(type(root).__name__)
            self._comparison.before(reading, loc, lambda: self._namer(reading))

    def _is_close(self, count: int, count_of_line: int = 2) -> bool:
        often = count > _CLOSE_LOOKS and count & (count - 1) != 0
        return self._read < _MOST_READ and (not often or count_of_line == 1)

    def _describe(self, line: BackwardLine, reading: Reading) -> None:
        computed = [node for node in reading.nodes if not node.is_leaf]
        line.nodes = len(computed)
        line.leaves = sum(node.is_leaf and not node.constant for node in reading.nodes)
        line.node_names = tuple(Counter(node.op or "value" for node in computed).most_common())
        root = reading.values[0]
        line.root = names_of([root], self._engines.classes()).get(id(root))

    def _namer(self, reading: Reading | None) -> Callable[[int], str]:
        assert reading is not None
        return namer(reading, self._engines.classes(), self._expression_of)

    def _end(self, begun: list[_Pass], raised: bool) -> None:
        with self._lock:
            waiting = self._graph_of is not None and self._now.passes < self._graph_of
            new_lines = self._births.count < _MOST_BIRTHS and self._read < _MOST_READ
            self._births.after_backward(wanted=waiting or new_lines or self._is_close(self.count + 1))
            for this in begun:
                if raised:
                    this.line.failed += 1
                    self._comparison.forget()
                if this.reading is not None:
                    told = not raised and this.reading.read_again()
                    scalar = ScalarPass(this.reading.nodes, this.seed) if told else None
                    self._look(this, this.reading, scalar)

    def _look(self, this: _Pass, reading: Reading, scalar: ScalarPass | None) -> None:
        """After the backward; `scalar` is None where its gradients tell nothing."""
        if scalar is not None:
            self._comparison.after(reading, scalar, this.loc, lambda: self._namer(reading))
            self._tables.add(this.loc, reading, scalar, lambda: self._namer(reading))
        if this.chosen:
            name = self._namer(reading)
            names = {index: name(index) for index, node in enumerate(reading.nodes) if node.is_leaf}
            self._graph = EngineGraph(reading, scalar, this.loc, self._graph_of or 0, names)

    # ------------------------------------------------------------ facts

    def backwards(self) -> tuple[Backward, ...]:
        """One fact for each line that ran a backward of an engine."""
        return tuple(line.fact(loc) for loc, line in self._lines.items())

    def passes(self) -> list[tuple[Location | None, int]]:
        """The lines that ran backwards, each with the number of its first pass in the run."""
        return [(loc.location(), line.first) for loc, line in self._lines.items()]

    def chains(self, expression_of: chain_rule.Expression) -> tuple[ChainTable, ...]:
        """The tables of the small graphs, in the order of their first backward."""
        return self._tables.facts(expression_of)

    def graph(self, passes: Sequence[tuple[Location | None, int]]) -> AutogradGraph | None:
        """The graph that was asked for, None where it is not an engine's; `passes` are all lines."""
        return self._graph.fact(self._expression_of, passes) if self._graph is not None else None

    def notes(self) -> tuple[str, ...]:
        """What is certainly wrong with an engine's gradients."""
        return self._comparison.notes()

    def not_seen(self) -> tuple[str, ...]:
        """Engines whose graphs could not be read."""
        return tuple(
            f"the values of {name}: its graph is not one of single numbers, or too large"
            for name in self._unread
        )


def _plain_loss(root: Any) -> float | None:
    data = getattr(root, "data", None)
    return float(data) if isinstance(data, (int, float)) else None


def _seed(arguments: tuple[Any, ...]) -> float | None:
    """The gradient given to `backward`: None for none, NaN for arguments that are not one number."""
    if not arguments:
        return None
    seed = number(arguments[0]) if len(arguments) == 1 and not isinstance(arguments[0], bool) else None
    return float("nan") if seed is None else seed
