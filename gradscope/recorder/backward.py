"""The one door through which every backward goes: `torch.autograd._engine_run_backward`.

`Tensor.backward`, `autograd.backward` and `autograd.grad` all look the name up when they run. Around the
engine we walk the graph, ask which leaves it reaches by value but not by gradient, put node hooks in, and
afterwards read what the leaves got. Where the engine raises, its error is explained and raised on.

Looking at everything each time would cost as much as the backward itself on small graphs, so the first
twenty backwards of a run are looked at closely, the first few of every new line, then those whose number
is a power of two, and those after a warning sign.
"""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.autograd
from torch import Tensor

from gradscope.facts import (
    Backward,
    ExitedLeaf,
    GradWithoutGraph,
    MissingGraph,
    PhaseKind,
    SeveredLeaf,
)
from gradscope.finding import Location
from gradscope.recorder.backward_lines import BackwardLine
from gradscope.recorder.creation import drop_parent
from gradscope.recorder.failures import Failures
from gradscope.recorder.graph import walk
from gradscope.recorder.graphs.capture import GraphCapture
from gradscope.recorder.inplace import storage_of
from gradscope.recorder.leaves import Leaves
from gradscope.recorder.names import variable_name
from gradscope.recorder.now import Now
from gradscope.recorder.order import OrderWatch
from gradscope.recorder.patches import Patches
from gradscope.recorder.places import Loc, intern_loc, user_frame
from gradscope.recorder.scale import ScaleWatch
from gradscope.recorder.second import Earlier, explain_second_backward
from gradscope.recorder.severance import Exit, Severance
from gradscope.recorder.values import TensorValues, grad_fn, is_plain, version
from gradscope.recorder.watchers import Watchers

_current_sequence_nr = torch._C._autograd._get_sequence_nr
_CLOSE_LOOKS = 20
_LOOKS_AT_A_LINE = 3
_AFTER_A_WARNING = 3


@dataclass(slots=True)
class _Pass:
    """One backward while it runs."""

    loc: Loc
    call: str
    roots: list[Tensor]
    grad_tensors: Sequence[Tensor | None]
    nodes: list[Any]
    leaves: dict[int, Tensor]
    inputs: tuple[Any, ...]
    accumulates: bool
    create_graph: bool
    close: bool
    began: int
    thread: int
    watched: bool = False
    loss: float | None = None


class BackwardWatch:
    """Wraps the engine."""

    def __init__(
        self,
        now: Now,
        values: TensorValues,
        leaves: Leaves,
        watchers: Watchers,
        failures: Failures,
        order: OrderWatch,
        copy_structure: Callable[[], None],
        ticked: Callable[[bool], None],
        exits: Callable[[], Sequence[Exit]],
        capture: GraphCapture | None = None,
    ) -> None:
        self._now = now
        self._values = values
        self._severance = Severance(values, leaves, exits)
        self._leaves = leaves
        self._watchers = watchers
        self._failures = failures
        self._order = order
        self._copy_structure = copy_structure
        self.scale = ScaleWatch(now, leaves)
        self._ticked = ticked
        self._capture = capture
        self._lines: dict[Loc, BackwardLine] = {}
        self._alarm_until = 0
        self._watermark = 0
        self._freed_by: Loc | None = None
        self._freed_epoch = 0
        self._leaves_of_line: dict[tuple[Loc, int], list[Any]] = {}
        self.count = 0
        self.received: set[int] = set()  # orders of leaf entries
        self._lock = threading.RLock()  # around our own bookkeeping, never around the engine
        self._passes: dict[int, _Pass] = {}  # one for each thread that is inside a backward

    def install(self, patches: Patches) -> None:
        """Replaces the engine's door."""
        run_engine = torch.autograd._engine_run_backward  # type: ignore[attr-defined]

        def _engine_run_backward(t_outputs: Any, *args: Any, **kwargs: Any) -> Any:
            with torch._C.DisableTorchFunction():
                return self._run(run_engine, t_outputs, args, kwargs)

        patches.replace(torch.autograd, "_engine_run_backward", _engine_run_backward)

    # ------------------------------------------------------------ around the engine

    def _run(self, run_engine: Any, outputs: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        now = self._now
        plain = all(not isinstance(t, Tensor) or is_plain(t) for t in outputs)
        inside = now.in_backward
        if inside and plain:
            self._nested(outputs)
        if inside or not plain or torch.compiler.is_compiling():
            return run_engine(outputs, *args, **kwargs)
        this: _Pass | None = None
        error: BaseException | None = None
        result: Any = None
        try:
            with now.backward(), now.outside_optimizer():
                try:
                    with self._lock:
                        this = self._begin(outputs, args, kwargs)
                except Exception as fault:  # noqa: BLE001  our bookkeeping must not reach the program
                    now.fault("before a backward", fault)
                try:
                    result = run_engine(outputs, *args, **kwargs)
                except BaseException as raised:
                    error = raised
                    raise
        finally:
            if this is not None:
                try:
                    with self._lock:
                        self._end(this, error, result)
                except Exception as fault:  # noqa: BLE001
                    now.fault("after a backward", fault)
            with self._lock:
                self._passes.pop(threading.get_ident(), None)
        return result

    def _nested(self, outputs: Any) -> None:
        """A backward inside a backward (a reentrant checkpoint) reaches leaves that the outer graph hides."""
        try:
            outer = self._passes.get(threading.get_ident())
            if outer is None and self._now.in_engine_thread:
                with self._lock:
                    outer = next(iter(self._passes.values()), None)
            if outer is not None and outer.close:
                leaves = walk(outputs)[1]
                outer.leaves.update(leaves)
                self._leaves.before_first_step(leaves.values())
        except Exception as fault:  # noqa: BLE001  our bookkeeping must not reach the program
            self._now.fault("a nested backward", fault)

    def _begin(self, outputs: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Pass:
        frame = user_frame(sys._getframe(3))
        loc = intern_loc(frame)
        if frame is not None:
            self._now.step_codes.add(frame.f_code)
        self.count += 1
        self._now.passes += 1
        grad_tensors, _, create_graph, inputs = (*args, None, None, None, None)[:4]
        accumulates = bool(kwargs.get("accumulate_grad"))
        line = self._lines.get(loc)
        if line is None:
            line = self._lines[loc] = BackwardLine("backward" if accumulates else "grad", self._now.passes)
        line.count += 1
        chosen = self._capture is not None and self._capture.number == self._now.passes
        close = chosen or self._is_close(line.count)
        roots = [t for t in outputs if isinstance(t, Tensor)]
        nodes, leaves = walk(outputs) if close or self._watchers.suspicious else ([], {})
        this = _Pass(
            loc,
            line.call,
            roots,
            tuple(grad_tensors or ()),
            nodes,
            leaves,
            tuple(inputs or ()),
            accumulates,
            bool(create_graph),
            close,
            _current_sequence_nr(),
            threading.get_ident(),
        )
        self._passes[this.thread] = this
        self._describe(line, this)
        if self._watchers.suspicious:
            self._watchers.look_for_mutations(nodes, loc)
        if self._capture is not None and chosen:
            self._capture.before(outputs, loc, line.call, this.loss)
        if close:
            this.watched = not any(other.watched for other in self._passes.values())
            self._look_closely(this, line)
        if accumulates:
            self._order.tell(self._order.before_backward, self._leaves_of(this), this.nodes, loc)
        return this

    def _is_close(self, count_of_line: int) -> bool:
        return (
            self.count <= _CLOSE_LOOKS
            or count_of_line <= _LOOKS_AT_A_LINE
            or self.count & (self.count - 1) == 0
            or self.count <= self._alarm_until
        )

    def _describe(self, line: BackwardLine, this: _Pass) -> None:
        root = this.roots[0] if this.roots else None
        if root is not None and root.numel() == 1 and (this.close or root.device.type == "cpu"):
            this.loss = float(root.detach().real) if root.is_complex() else float(root.detach())
            if not math.isfinite(this.loss):
                self._alarm()
        line.ran(this.loss)
        if line.count == 1:
            line.create_graph = this.create_graph
            line.describe(root, next(iter(this.grad_tensors), None), this.nodes, len(this.leaves))

    def _alarm(self) -> None:
        self._alarm_until = self.count + _AFTER_A_WARNING
        self._watchers.alarm()

    def _look_closely(self, this: _Pass, line: BackwardLine) -> None:
        if self.count & (self.count - 1) == 0 or line.count == 1:
            self._copy_structure()
        leaves = list(this.leaves.values())
        self._leaves.before_first_step(leaves)
        if this.accumulates or this.inputs:
            self.scale.before(this.nodes, leaves, this.loc, watched=this.watched)
        self._leaves_of_line[this.loc, this.thread] = [self._leaves.entry(leaf).tensor for leaf in leaves]
        roots = [v for t in this.roots if (v := self._values.get(t)) is not None]
        trained = {id(leaf) for leaf in leaves if self._leaves.entry(leaf).is_parameter or _was_updated(leaf)}
        self._severance.look(roots, this.leaves.keys(), trained, self.received, this.loc)
        if this.watched:
            self._watch(this, line)

    def _watch(self, this: _Pass, line: BackwardLine) -> None:
        self._watchers.before(
            this.nodes,
            this.roots,
            this.grad_tensors,
            this.loc,
            self.count,
            line.last_loss,
            this.inputs,
            self._order.scale_of(this.roots),
        )

    def _end(self, this: _Pass, error: BaseException | None, result: Any) -> None:
        if self._capture is not None:
            self._capture.after(this.inputs, result)
        if this.watched:
            self._watchers.after()
            self.scale.after(this.loc, raised=error is not None)
        if error is None:
            if this.create_graph:
                _drop_parents(this, result)
            if this.accumulates:
                self._order.tell(self._order.after_backward, self._leaves_of(this), this.roots, this.loc)
            else:
                self._order.tell(self._order.differentiated, this.inputs, this.loc)
            if self._leaves.got(self._gradients(this, result)):
                self._alarm()
            scaled = self._order.is_scaled(this.roots)
            latest = self._leaves.latest
            whole = math.hypot(*(norm for _, norm in latest))
            self._tell_phases(this, whole if latest else None, scaled=scaled)
            self.scale.got(this.loc, self.count, latest, whole, this.loss, scaled=scaled)
            self._watermark = _current_sequence_nr()
            self._freed_by, self._freed_epoch = this.loc, self._now.epoch
            self._ticked(this.accumulates)
        elif isinstance(error, RuntimeError):
            self._lines[this.loc].failed += 1
            self._explain(this, error)
        this.nodes = []

    def _tell_phases(self, this: _Pass, norm: float | None, *, scaled: bool) -> None:
        """The loss was made at one line of the training loop, and differentiated at another."""
        node = grad_fn(this.roots[0]) if this.accumulates and this.roots else None
        value = self._values.get(this.roots[0]) if node is not None else None
        if node is not None and value is not None:
            made, loss = node._sequence_nr(), this.loss
            if value.parents and scaled:
                value, made, loss = value.parents[0], made - 1, None  # before it was scaled
            if isinstance(value.loc, Loc) and value.loc is not this.loc:
                self._order.phases.saw(PhaseKind.LOSS, value.loc, value.op, loss, made)
        self._order.phases.saw(
            PhaseKind.BACKWARD if this.accumulates else PhaseKind.GRAD, this.loc, value=norm
        )

    def _leaves_of(self, this: _Pass) -> list[Tensor]:
        """The leaves of this graph; where it was not walked, those of the last one of its line."""
        if this.leaves:
            return list(this.leaves.values())
        references = self._leaves_of_line.get((this.loc, this.thread), ())
        return [t for reference in references if (t := reference()) is not None]

    def _gradients(self, this: _Pass, result: Any) -> list[tuple[Tensor, Tensor]]:
        if not this.accumulates:
            pairs = zip(this.inputs, result or (), strict=False)
            pairs_given = [
                (t, g) for t, g in pairs if isinstance(t, Tensor) and isinstance(g, Tensor) and t.is_leaf
            ]
        else:
            leaves = self._leaves_of(this)
            if this.inputs:
                wanted = {id(t) for t in this.inputs}
                leaves = [t for t in leaves if id(t) in wanted]
            pairs_given = [(t, t.grad) for t in leaves if t.grad is not None]
        pairs_given = [(t, g) for t, g in pairs_given if is_plain(g)]
        self.received.update(self._leaves.entry(t).order for t, _ in pairs_given)
        return pairs_given

    # ------------------------------------------------------------ when it raised

    def _explain(self, this: _Pass, error: RuntimeError) -> None:
        message = str(error)
        if not this.nodes:
            this.nodes, this.leaves = walk(this.roots)
        if "modified by an inplace operation" in message:
            conflict = self._watchers.writes.explain_conflict(
                this.nodes, this.loc, lambda tensor: self._name_of_memory(this, tensor)
            )
            if conflict is not None:
                self._failures.add("inplace_conflicts", conflict, error)
        elif "backward through the graph a second time" in message:
            earlier = Earlier(self._watermark, self._freed_by, self._now.epoch > self._freed_epoch)
            living = [node for t, _ in self._values.living() if (node := grad_fn(t)) is not None]
            fact = explain_second_backward(this.nodes, living, this.loc, earlier, self._failures.source)
            self._failures.add("second_backwards", fact, error)
        elif "does not require grad and does not have a grad_fn" in message:
            self._failures.add("missing_graphs", self._missing_graph(this), error)

    def _name_of_memory(self, this: _Pass, tensor: Tensor) -> str | None:
        """What a saved tensor is called: a view of a leaf (`weight.t()`) bears the leaf's name."""
        memory = storage_of(tensor)
        leaf = next((leaf for leaf in this.leaves.values() if memory and storage_of(leaf) == memory), None)
        return self._leaves.entry(leaf).name if leaf is not None else variable_name(tensor)

    def _missing_graph(self, this: _Pass) -> MissingGraph:
        root = next((t for t in this.roots if not t.requires_grad), None)
        value = self._values.get(root) if root is not None else None
        cuts, path = self._values.flow.first_cuts(value) if value is not None else ((), ())
        block = self._now.block
        return MissingGraph(
            this.loc.location(),
            this.call,
            tuple(v.as_cut() for v in cuts),
            tuple(v.step() for v in path),
            block.loc.location() if block is not None and not torch.is_grad_enabled() else None,
            ended_program=False,
        )

    # ------------------------------------------------------------ facts

    def backwards(self) -> tuple[Backward, ...]:
        """One fact for each line that ran a backward."""
        return tuple(line.fact(loc) for loc, line in self._lines.items())

    def passes(self) -> list[tuple[Location | None, int]]:
        """The lines that ran backwards, each with the number of its first pass in the run."""
        return [(loc.location(), line.first) for loc, line in self._lines.items()]

    def severed(self) -> tuple[SeveredLeaf, ...]:
        """Leaves that losses depend on only through cuts."""
        unfed = {self._leaves.name_of(leaf): place for leaf, place in self._order.fold.found.unfed().items()}
        return self._severance.severed(self.received, unfed)

    def exited(self) -> tuple[ExitedLeaf, ...]:
        """Leaves whose values left torch and that no backward ever reached."""
        return self._severance.exited(self.received)

    def grads_without_graph(self) -> tuple[GradWithoutGraph, ...]:
        """Terms of a loss that come from autograd.grad without create_graph."""
        return self._severance.grads_without_graph()


def _was_updated(leaf: Tensor) -> bool:
    """Whether a leaf that is no Parameter is trained: it got gradients, and has changed since."""
    return leaf.grad is not None and version(leaf) > 0


def _drop_parents(this: _Pass, result: Any) -> None:
    """Anomaly mode ties a gradient's nodes to the nodes they came from: a graph would never be freed."""
    gradients = [g for g in (result or ()) if isinstance(g, Tensor)]
    gradients += [leaf.grad for leaf in this.leaves.values() if leaf.grad is not None]
    seen: set[Any] = set()
    stack = [g.grad_fn for g in gradients if g.grad_fn is not None]
    while stack:
        node = stack.pop()
        if node in seen or node._sequence_nr() < this.began:
            continue
        seen.add(node)
        drop_parent(node)
        stack.extend(n for n, _ in node.next_functions if n is not None)
