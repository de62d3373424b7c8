"""The recorder: puts every hook in, lets the program run, takes every hook out, and adds up the facts."""

from __future__ import annotations

import dataclasses
import linecache
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor

from gradscope import syntax
from gradscope.facts import (
    AutogradGraph,
    MemoryUse,
    ModuleFact,
    NonleafGradRead,
    ProgramEnd,
    Rebinding,
    Recording,
)
from gradscope.finding import Location
from gradscope.folds.accumulation import Accumulation
from gradscope.folds.storages import StorageLog
from gradscope.folds.timeline import SliceBuffer
from gradscope.recorder import interruption, warning_origin
from gradscope.recorder.backward import BackwardWatch
from gradscope.recorder.checkpoints import CheckpointWatch
from gradscope.recorder.constructors import Constructors
from gradscope.recorder.creation import NodeBirths
from gradscope.recorder.engines.watch import EngineWatch
from gradscope.recorder.failures import Failures
from gradscope.recorder.grad_mode import GradMode
from gradscope.recorder.graphs.capture import GraphCapture
from gradscope.recorder.inplace import WriteLog
from gradscope.recorder.last_call import refused_by
from gradscope.recorder.leaves import Leaves
from gradscope.recorder.memory_aliases import MemoryAliases
from gradscope.recorder.mode import OpObserver, ValueMode
from gradscope.recorder.modules import Modules
from gradscope.recorder.names import variable_name
from gradscope.recorder.now import Now
from gradscope.recorder.optimizers import Optimizers, StepLimit
from gradscope.recorder.order import OrderWatch
from gradscope.recorder.patches import Patches
from gradscope.recorder.pickles import Pickles
from gradscope.recorder.places import Loc
from gradscope.recorder.precision import Precision
from gradscope.recorder.python_values import PythonValues
from gradscope.recorder.reads import GradReads
from gradscope.recorder.regions import Regions
from gradscope.recorder.retention import Retention
from gradscope.recorder.sources import collect_sources
from gradscope.recorder.specials import Specials
from gradscope.recorder.timeline import Timeline
from gradscope.recorder.user_hooks import UserHooks
from gradscope.recorder.values import TensorValues
from gradscope.recorder.watchers import Watchers

if TYPE_CHECKING:
    from gradscope.recorder.memory.watch import MemoryWatch

__all__ = ["Progress", "Recorder", "StepLimit"]

_MOST_FLOWS = 4096


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run has come. `recording` adds up the facts so far."""

    backward_passes: int
    steps: int
    ops: int
    recording: Callable[[], Recording]


class _Observer(OpObserver):
    """Hands what the mode tells to those who keep it."""

    def __init__(self, writes: WriteLog, reads: GradReads, failures: Failures, watchers: Watchers) -> None:
        self.wrote = writes.wrote  # type: ignore[method-assign]
        self.assigned = reads.assigned  # type: ignore[method-assign]
        self.refused = failures.refused  # type: ignore[method-assign]
        self.made = watchers.made  # type: ignore[method-assign]


class Recorder:
    """Records what happens to gradients while it is entered.

    `max_steps` ends the program after that many optimizer steps, by raising `StepLimit` out of it.
    `progress` is called after every backward. `graph_of` is the number, from 1, of the backward pass whose
    graph is taken down. `timeline` takes the slices of what happened when, `storages` the life of every
    storage. `engines` are the classes of micrograd's kind that exist already, None to look for them. One
    recorder records one run, and no other one records meanwhile: see `interruption`.
    """

    def __init__(
        self,
        max_steps: int | None = None,
        progress: Callable[[Progress], None] | None = None,
        graph_of: int | None = None,
        timeline: SliceBuffer | None = None,
        storages: StorageLog | None = None,
        engines: Iterable[type] | None = None,
    ) -> None:
        self._progress = progress
        self._patches = Patches()
        self._notes: dict[str, None] = {}
        self._not_seen: dict[str, None] = {}
        self._error: BaseException | None = None
        now = self.now = Now()
        self.values = TensorValues(now)
        self._births = NodeBirths(now)
        self._writes = WriteLog(now)
        self._aliases = MemoryAliases()
        self._reads = GradReads(now, self.values)
        self._grad_mode = GradMode(now)
        self._flows: dict[tuple[Loc, Loc], bool] = {}
        self._python = PythonValues(now, self._flows_between)
        self._failures = Failures(self.values, variable_name, source_text)
        self._modules = Modules(now, self._copy_structure)
        self._order = OrderWatch(now)
        self._modules.called = self._order.phases.saw
        self._optimizers = Optimizers(now, self._writes, self._reads, self._order, self._stepped, max_steps)
        self._leaves = Leaves(now, self._modules, self._optimizers)
        self.watchers = Watchers(self._writes, self._aliases, self._watch_results)
        self._hooks = self.watchers.hooks = self.watchers.nodes.hooks = UserHooks(now)
        self._capture: GraphCapture | None = None
        if graph_of is not None:
            self._capture = GraphCapture(graph_of, self._modules, self.watchers.chain.values)
        self.watchers.capture = self._capture
        self._retention = Retention(now, self._births, self.values, source_text)
        self._backwards = BackwardWatch(
            now,
            self.values,
            self._leaves,
            self.watchers,
            self._failures,
            self._order,
            self._copy_structure,
            self._after_backward,
            self._python.exits,
            self._capture,
        )
        self._reads.registered = self._modules.registered_parameters
        self._specials = Specials(
            now, self.values, self._python, self._writes, self._aliases, self._reads, self._grad_mode
        )
        self._pickles = Pickles(now, self.values)
        self._constructors = Constructors(now, self.values, self._specials)
        self._observer = _Observer(self._writes, self._reads, self._failures, self.watchers)
        self._checkpoints = CheckpointWatch(now, self._failures.add, self._leaves.name_of, self._writes)
        self._regions = Regions(now, self.values, self._new_mode, self.not_seen)
        self._precision = Precision(self.note)
        self._accumulation = Accumulation()
        self._engines = EngineWatch(now, _expression_of, graph_of, engines)
        self._engines.ran = self._tell_progress
        self._timeline: Timeline | None = None
        if timeline is not None:
            self._timeline = Timeline(now, timeline, self._leaves.known_name)
            self._regions.opaque_call = self._timeline.opaque
        self._memory: MemoryWatch | None = None
        if storages is not None:
            from gradscope.recorder.memory.watch import MemoryWatch  # what trace alone never needs

            self._memory = MemoryWatch(now, storages, self._modules, graph_of)
            self._memory.results = self._results
            self._regions.opaque_call = self._memory.before_opaque(self._regions.opaque_call)
        self._mode = self._new_mode()
        self._mode.watching_results = True

    def _new_mode(self) -> ValueMode:
        mode = ValueMode(self.now, self.values, self._python, self._observer, self._specials.table())
        if not hasattr(self._specials, "mode"):
            self._specials.mode = mode
        elif self._timeline is not None:
            self._timeline.tracks.new_thread()
        mode.timed = self._timeline.ops if self._timeline is not None else None
        return mode

    # ------------------------------------------------------------ in and out

    def __enter__(self) -> Self:
        self._interrupted = interruption.begin()
        try:
            if self._timeline is not None:
                self._timeline.install_first(self._patches)
            if self._memory is not None:
                self._memory.install_first(self._patches)
            for part in (
                self._births,
                self._writes,
                self._grad_mode,
                self._modules,
                self._optimizers,
                self._backwards,
                self._order,
                self._regions,
                self._precision,
                self._constructors,
                self._pickles,
                self._checkpoints,
                self._hooks,
                self._engines,
            ):
                part.install(self._patches)
            if self._timeline is not None:
                self._timeline.install(self._patches)
            warning_origin.install(self._patches)
            if self._memory is not None:
                self._memory.install(self._patches)
            self._mode.__enter__()  # type: ignore[no-untyped-call]
        except BaseException:
            self._patches.undo()
            self._interrupted.end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None and not isinstance(error, StepLimit):
            self.ended_by(error)
        try:
            self._leave_mode()
        finally:
            self._patches.undo()
            self._copy_structure()
            if self._timeline is not None:
                self._timeline.close()
            self._interrupted.end()

    def _leave_mode(self) -> None:
        """Takes our mode off the stack, also from under modes that the program never left."""
        above = []
        length = torch._C._len_torch_function_stack
        while length() and (top := torch._C._pop_torch_function_stack()) is not self._mode:
            above.append(top)
        for mode in reversed(above):
            torch._C._push_on_torch_function_stack(mode)
        if above:
            self.note(f"the program left {len(above)} torch function mode(s) entered")

    # ------------------------------------------------------------ events

    def _watch_results(self, on: bool) -> None:
        self._mode.watching_results = on

    def _tick(self) -> None:
        self.now.epoch += 1
        self.values.flow.tick(self.now.epoch)
        self._python.tick(self.now.epoch)
        self._pickles.tick(self.now.epoch)
        self._reads.tick()
        self._writes.tick()
        self._aliases.tick()
        self._retention.tick()

    def _stepped(self) -> None:
        self._accumulation.stepped()
        self._tick()

    def _after_backward(self, accumulates: bool) -> None:
        if accumulates:
            self._accumulation.backward()
        if accumulates and not self._optimizers.entries:
            self._tick()
        self._tell_progress()

    def _tell_progress(self) -> None:
        if self._progress is not None:
            counts = (self.now.passes, self._optimizers.steps, self.now.ops)
            self._progress(Progress(*counts, self.recording))

    def _copy_structure(self) -> None:
        try:
            self._modules.name_roots(variable_name)
            self._modules.copy_structure()
            self._leaves.copy_structure()
        except Exception as error:  # noqa: BLE001  our bookkeeping must not reach the program
            self.now.fault("module structure", error)

    def _flows_between(self, exit_loc: Loc, entry_loc: Loc) -> bool:
        """Whether the names of one line may reach the other; asked at every step, read once."""
        known = self._flows.get((exit_loc, entry_loc))
        if known is None:
            known = _flows(exit_loc, entry_loc)
            if len(self._flows) < _MOST_FLOWS:
                self._flows[exit_loc, entry_loc] = known
        return known

    def note(self, text: str) -> None:
        """Adds an explanation that is not a finding."""
        self._notes[text] = None

    def not_seen(self, text: str) -> None:
        """Says what could not be looked at."""
        self._not_seen[text] = None

    def ended_by(self, error: BaseException) -> None:
        """The program died of this exception."""
        if error is not self._error:
            self.now.guarded("the last call", self._look_at_last_call, error)
        self._error = error
        self._failures.ended_by(error)

    def _look_at_last_call(self, error: BaseException) -> None:
        given = refused_by(error)
        if given is not None:
            self.watchers.forward.refused(given, self._backwards.count + 1)

    # ------------------------------------------------------------ facts

    def recording(self, program: ProgramEnd | None = None) -> Recording:
        """The facts of the run. Call it after the recorder was left."""
        rebindings, reads = self._reads_at_the_end()
        recording = Recording(
            program=program or ProgramEnd(),
            device=_device(),
            torch_version=str(torch.__version__),
            ops=self.now.ops,
            steps=self._optimizers.steps,
            backward_passes=self.now.passes,
            backwards=(*self._backwards.backwards(), *self._engines.backwards()),
            modules=self._module_facts(),
            leaves=self._leaves.facts(self.values.used),
            optimizers=self._leaves.optimizer_facts(),
            severed=self._backwards.severed(),
            exited=self._backwards.exited(),
            missing_graphs=self._failures.facts("missing_graphs"),
            grads_without_graph=self._backwards.grads_without_graph(),
            rebindings=rebindings,
            nonleaf_grad_reads=reads,
            inplace_conflicts=self._failures.facts("inplace_conflicts"),
            inplace_refused=self._failures.facts("inplace_refused"),
            silent_mutations=(
                *self._writes.mutations(self._leaves.name_of),
                *self._aliases.mutations(_writing_line),
            ),
            second_backwards=self._failures.facts("second_backwards"),
            retained_graphs=self._retention.facts(),
            stale_gradients=self._order.stale(self._leaves.name_of),
            clips_out_of_order=self._order.clips(),
            steps_out_of_order=self._order.steps(),
            births=self.watchers.nodes.births.facts(self._leaves.name_of),
            nonfinite_forwards=self.watchers.forward.facts(self._leaves.name_of),
            zeroed=self.watchers.nodes.zeroing.facts(self._leaves.name_of),
            halves=self.watchers.halves.fold.facts(self._leaves.name_of),
            gradient_profiles=self._backwards.scale.profiles(),
            gradient_growths=self._backwards.scale.growths(),
            chains=(
                *self.watchers.chain.facts(self._leaves.name_of, _expression_of),
                *self._engines.chains(_expression_of),
            ),
            hooks=self._hooks.facts(self._leaves.name_of),
            severing_checkpoints=self._checkpoints.severing(),
            recomputed_ops=(*self._checkpoints.recomputed(), *self._failures.facts("recomputed_ops")),
            loop=self._order.phases.fact(),
            graph=self._graph(),
            memory=self._memory_use(),
            notes=(*self._notes, *filter(None, [self._accumulation.note()]), *self._engines.notes()),
            not_seen=(*self._not_seen, *self._faults()),
        )
        return dataclasses.replace(recording, sources=collect_sources(recording))

    def so_far(self) -> Recording:
        """The facts of the run until now, while the recorder is entered; it goes on recording."""
        self._copy_structure()
        return self.recording()

    def _graph(self) -> AutogradGraph | None:
        if self._capture is None:
            return None
        passes = sorted((*self._backwards.passes(), *self._engines.passes()), key=lambda each: each[1])
        by_torch = self._capture.fact(self._leaves.name_of, _expression_of, passes)
        return by_torch if by_torch is not None else self._engines.graph(passes)

    def _results(self) -> Iterator[tuple[Tensor, str, Loc]]:
        for tensor, value in self.values.living():
            if value.leaf is None and isinstance(value.loc, Loc):
                yield tensor, value.op, value.loc

    def _memory_use(self) -> MemoryUse | None:
        if self._memory is None:
            return None
        from gradscope.recorder.memory.facts import MemoryFacts

        is_cut_short = self._error is not None
        return MemoryFacts(self._memory, self._modules, _device(), is_cut_short=is_cut_short).fact()

    def _reads_at_the_end(self) -> tuple[tuple[Rebinding, ...], tuple[NonleafGradRead, ...]]:
        """The `.grad` facts, with the one that ended the program: there, or of the None it got there."""
        error = self._error
        died_at = self._failures.last_location(error) if error is not None else None
        fatal = self._reads.last_read() if "'NoneType'" in str(error) else None

        def ended(place: Location | None) -> bool:
            return _same_line(place, died_at) or (place is not None and place == fatal)

        return (
            tuple(
                dataclasses.replace(r, ended_program=ended(r.read_at) or _same_line(r.optimizer_at, died_at))
                for r in self._reads.rebindings()
            ),
            tuple(dataclasses.replace(r, ended_program=ended(r.location)) for r in self._reads.reads()),
        )

    def _module_facts(self) -> tuple[ModuleFact, ...]:
        return tuple(
            dataclasses.replace(
                fact,
                root=root.name,
                called=root.calls[fact.path],
                registered_at=root.registered_at(fact.path),
            )
            for root in self._modules.roots
            if root.with_gradient
            for fact in root.facts
        )

    def _faults(self) -> tuple[str, ...]:
        faults = self.now.faults + self.watchers.faults()
        hidden = dict.fromkeys(root.unseen for root in self._modules.roots if root.unseen)
        return (
            *hidden,
            *self.watchers.not_seen(),
            *self._order.not_seen(),
            *self._checkpoints.not_seen(),
            *self._engines.not_seen(),
            *(self._memory.not_seen() if self._memory is not None else ()),
            *(f"a fault of gradscope's own, {count} time(s): {text}" for text, count in faults.items()),
        )


def _flows(exit_loc: Loc, entry_loc: Loc) -> bool:
    left, entered = exit_loc.location(), entry_loc.location()
    if left is None or entered is None or left.path != entered.path:
        return False
    return syntax.flows_between(source_text(left.path), left.line, entered.line)


def _device() -> str:
    """The accelerator in use, "cpu" where none was touched."""
    used: bool = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    return torch.cuda.get_device_name() if used else "cpu"


def source_text(path: str) -> str:
    """The text of a file as the interpreter knows it, empty where there is none."""
    return "".join(linecache.getlines(path))


def _same_line(one: Location | None, other: Location | None) -> bool:
    return one is not None and other is not None and one.at == other.at


def _expression_of(loc: Loc) -> tuple[str | None, str | None]:
    place = loc.location()
    if place is None or place.column is None or place.end_column is None:
        return None, None
    return syntax.expression_at(
        source_text(place.path), place.line, place.column, place.end_line or place.line, place.end_column
    )


def _writing_line(after: Loc, before: Loc) -> Location | None:
    """The statement that writes elements in place between two ops of the program, if one can be named."""
    first, last = after.location(), before.location()
    if first is None or last is None:
        return None
    rest = (first.path, first.line, 1 << 30)
    # the second op ran further up: in the next round of a loop, or in another function
    wrapped = first.path == last.path and first.line > last.line
    opening = before.code.co_firstlineno if wrapped and before.code is not None else 1
    between = (last.path, first.line if first.path == last.path and not wrapped else opening, last.line)
    for path, begin, end in (rest, between) if wrapped and after.code is before.code else (between, rest):
        lines = syntax.element_writes(source_text(path), begin, end)
        if lines:
            return Location(path, lines[0])
    return None
