"""The memory of a run: every storage, the phase it lived in, what for, and what a chosen graph keeps."""

from __future__ import annotations

import sys
import threading
import weakref
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, TypeAlias

import torch
import torch.autograd
from torch import Tensor, nn
from torch.optim.optimizer import (
    Optimizer,
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)

from gradscope.facts.memory import MemoryKind, MemoryPhase
from gradscope.folds.storages import StorageLog
from gradscope.recorder.graphs.nodes import root_nodes
from gradscope.recorder.memory.checkpoints import Checkpoints
from gradscope.recorder.memory.kept_graph import Taken, take_down
from gradscope.recorder.memory.kinds import Kinds
from gradscope.recorder.memory.makers import Makers
from gradscope.recorder.memory.mode import entered_in_threads, leave
from gradscope.recorder.memory.roots import Roots
from gradscope.recorder.memory.storages import LiveStorages
from gradscope.recorder.memory.unused import UnusedGraphs
from gradscope.recorder.modules import Modules, Root
from gradscope.recorder.names import variables_of
from gradscope.recorder.now import Now
from gradscope.recorder.optimizers import _never_compiled
from gradscope.recorder.patches import Patches
from gradscope.recorder.places import Loc, intern_loc, user_frame
from gradscope.recorder.values import tensors_in

_CLOSE_LOOKS: Final = 20
_LOOKS_AT_A_LINE: Final = 3
_LARGE: Final = 20_000  # nodes: from here on a graph is walked rarely
_HIGHER: Final = 1.01  # times the peak so far: another look
_MODULE_FILE = nn.Module._call_impl.__code__.co_filename
_next_sequence_nr = torch._C._autograd._get_sequence_nr


OpaqueCall: TypeAlias = Callable[[str, Callable[..., Any], Any, Any], Any]


class MemoryWatch:
    """Fills `log` while the program runs. `graph_of` is the backward pass, from 1, whose graph is told.

    Without it, that of the backward that keeps most is told, as far as graphs are walked: the first
    backwards, the first of every line, and now and then a later one. `results` gives the living tensors
    that ops have made, with the op and its line.
    """

    def __init__(self, now: Now, log: StorageLog, modules: Modules, graph_of: int | None = None) -> None:
        self.log = log
        self._now = now
        self._modules = modules
        self._graph_of = graph_of
        self.makers = Makers(now, MemoryWatch._run.__code__)
        self.makers.before = self._allocates
        self.live = LiveStorages(log, self.makers)
        self.kinds = Kinds(self.live, self.makers)
        self.checkpoints = Checkpoints(now, self.live)
        self.unused = UnusedGraphs(now, self.live, self.kinds)
        self.results: Callable[[], Iterable[tuple[Tensor, str, Loc]]] = tuple
        self._thread = threading.get_ident()
        self._sequence_nr = _next_sequence_nr()
        self._stepping: set[int] = set()  # ids of optimizers
        self._optimizers: dict[str, None] = {}
        self._backwards = 0
        self._of_line: dict[Loc, int] = {}
        self._nodes_of_line: dict[Loc, int] = {}
        self._looked_at = 0
        self._root_calls = 0
        self._phase_before: MemoryPhase | None = None
        self.step_ends = array("q")  # indices of events
        self.pass_ends = array("q")
        self.taken: Taken | None = None
        self.taken_saved = -1
        self.before_backward = -1  # the event before the chosen backward
        self.after_backward = -1
        self.roots = Roots()

    # ------------------------------------------------------------ in and out

    def install_first(self, patches: Patches) -> None:
        """What must come before the recorder's own hooks, which may end the program at a step."""
        patches.hook(register_optimizer_step_pre_hook(_never_compiled(self._before_step)))
        patches.hook(register_optimizer_step_post_hook(_never_compiled(self._after_step)))

    def install(self, patches: Patches) -> None:
        """All the rest, around the recorder's hooks; the mode last of all."""
        run_engine = torch.autograd._engine_run_backward  # type: ignore[attr-defined]

        def _engine_run_backward(t_outputs: Any, *args: Any, **kwargs: Any) -> Any:
            return self._run(run_engine, t_outputs, args, kwargs)

        patches.replace(torch.autograd, "_engine_run_backward", _engine_run_backward)
        self._modules.root_calls = self
        patches.finally_do(self._close)
        self.checkpoints.install(patches)
        self.live.with_meta = torch._C._get_dispatch_mode(torch._C._TorchDispatchModeKey.FAKE) is not None
        entered_in_threads(self.live, patches)
        self.live.__enter__()  # type: ignore[no-untyped-call]
        patches.finally_do(lambda: leave(self.live))

    def before_opaque(self, call: OpaqueCall) -> OpaqueCall:
        """What calls a region that must not be looked into, with our notice before it."""
        self.live.is_told_of_compiling = True

        def noticed(name: str, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
            if name.startswith("compiled "):
                self.live.compiles()
            return call(name, function, args, kwargs)

        return noticed

    def _close(self) -> None:
        self._modules.root_calls = None
        self._now.guarded("graphs at the end", self.unused.end, self.results())
        self.live.close()

    # ------------------------------------------------------------ phases

    def _enter(self, phase: MemoryPhase) -> None:
        self.log.enter(phase)
        self.kinds.entered()

    def _allocates(self) -> None:
        """A storage is about to be born: outside every phase, a graph that has begun begins the forward."""
        if (
            self.log.phase is MemoryPhase.OUTSIDE
            and _next_sequence_nr() > self._sequence_nr
            and threading.get_ident() == self._thread
        ):
            self._enter(MemoryPhase.FORWARD)

    def _outside(self) -> None:
        """A backward or a step is over."""
        self._sequence_nr = _next_sequence_nr()
        self._enter(MemoryPhase.OPTIMIZER if self._stepping else MemoryPhase.OUTSIDE)

    def began(self, module: nn.Module, root: Root, args: Any) -> None:
        """A root module is called."""
        self.unused.began()
        is_new = self.roots.met(root, module)
        if self._now.in_backward:
            return  # a checkpoint runs it again
        self._root_calls += 1
        if is_new or _is_now_and_then(self._root_calls):
            self.kinds.module(module)
        self.kinds.inputs(tensors_in([args, _keywords()]))
        self._phase_before = None if torch.is_grad_enabled() else self.log.phase
        self._enter(MemoryPhase.FORWARD)

    def ended(self, root: Root, output: Any) -> None:
        """The call is over. With a graph the forward goes on: the loss is still to come."""
        self.unused.ended(root, output)
        before, self._phase_before = self._phase_before, None
        if before is not None:
            self._enter(before)

    # ------------------------------------------------------------ backwards

    def _run(self, run_engine: Any, outputs: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        now = self._now
        if now.in_backward or torch.compiler.is_compiling():
            return run_engine(outputs, *args, **kwargs)
        watched: list[weakref.ref[Tensor]] = []
        now.guarded("memory before a backward", self._before_backward, outputs, watched)
        self._enter(MemoryPhase.BACKWARD)
        try:
            return run_engine(outputs, *args, **kwargs)
        except BaseException:
            if self.after_backward < 0:
                self.taken_saved = -1  # one that comes through is rather told
            raise
        finally:
            now.guarded("memory after a backward", self._after_backward, watched)

    def _before_backward(self, outputs: Sequence[Any], watched: list[weakref.ref[Tensor]]) -> None:
        self._backwards += 1
        loc = intern_loc(user_frame(sys._getframe(3)))
        count = self._of_line[loc] = self._of_line.get(loc, 0) + 1
        self.makers.backward = loc
        chosen = self._now.passes + 1 == self._graph_of
        self.makers.is_walked = chosen or self._is_looked_at(loc, count)
        if self.makers.is_walked:
            taken = take_down([node for node, _ in root_nodes(outputs)], self.live)
            self.checkpoints.add_to(taken)
            self._nodes_of_line[loc] = len(taken.nodes)
            self._looked_at = max(self.log.live, self._looked_at)
            watched.extend(taken.leaves)
            self._label(taken)
            self._choose(taken, chosen=chosen)
            self.unused.backward(taken)
        else:
            self.unused.backward(None)

    def _is_looked_at(self, loc: Loc, count: int) -> bool:
        if self._nodes_of_line.get(loc, 0) > _LARGE:
            return count & (count - 1) == 0
        return (
            self._backwards <= _CLOSE_LOOKS
            or count <= _LOOKS_AT_A_LINE
            or count & (count - 1) == 0
            or self.log.live > _HIGHER * self._looked_at
        )

    def _label(self, taken: Taken) -> None:
        for module in self.roots.outermost():
            self.kinds.module(module)
        self.kinds.leaves(_alive(taken.leaves))
        self.kinds.saved(taken)

    def _choose(self, taken: Taken, *, chosen: bool) -> None:
        kind, sizes = self.log.kind, self.log.sizes
        saved = sum(sizes[number] for number in taken.storages if kind(number) is MemoryKind.SAVED)
        if chosen or (self._graph_of is None and saved > self.taken_saved):
            self.taken, self.taken_saved = taken, saved
            self.before_backward, self.after_backward = self.log.now - 1, -1

    def _after_backward(self, watched: Iterable[weakref.ref[Tensor]]) -> None:
        for module in self.roots.outermost():
            self.kinds.gradients(module.parameters())
        self.kinds.gradients(_alive(watched))
        if self.after_backward < 0 <= self.before_backward:
            self.after_backward = self.log.now - 1
        self.pass_ends.append(self.log.now - 1)
        self._outside()

    # ------------------------------------------------------------ steps

    def _before_step(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        self._now.guarded("memory before a step", self._step_begins, optimizer)

    def _step_begins(self, optimizer: Optimizer) -> None:
        self._stepping.add(id(optimizer))
        owned = [p for group in optimizer.param_groups for p in group["params"] if isinstance(p, Tensor)]
        self.kinds.claim_unless_input(owned, MemoryKind.PARAMETER)
        self.kinds.gradients(owned)
        self._enter(MemoryPhase.OPTIMIZER)

    def _after_step(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        self._now.guarded("memory after a step", self._step_ends, optimizer)

    def _step_ends(self, optimizer: Optimizer) -> None:
        self._stepping.discard(id(optimizer))
        self._optimizers[type(optimizer).__name__] = None
        self.kinds.optimizer_state(optimizer.state)
        self.step_ends.append(self.log.now - 1)
        self._outside()

    @property
    def optimizers(self) -> tuple[str, ...]:
        """The classes of the optimizers that have stepped."""
        return tuple(self._optimizers)

    def not_seen(self) -> tuple[str, ...]:
        """What could not be looked at."""
        found = []
        if not self.log.is_complete:
            found.append(f"what memory consisted of after {self.log.now} births and deaths of storages")
        if self.live.unseen:
            found.append(f"memory that is not torch's own, of {self.live.unseen} tensor(s)")
        return tuple(found)


def _alive(references: Iterable[weakref.ref[Tensor]]) -> Iterator[Tensor]:
    return (tensor for reference in references if (tensor := reference()) is not None)


def _is_now_and_then(count: int) -> bool:
    return count <= _CLOSE_LOOKS or count & (count - 1) == 0


def _keywords() -> dict[str, Any]:
    """The keyword arguments of the module call that torch is in: its global hooks are not given them."""
    frame = sys._getframe(1)
    for _ in range(6):
        if frame.f_back is None:
            break
        frame = frame.f_back
        if frame.f_code.co_filename == _MODULE_FILE:
            kwargs = variables_of(frame).get("kwargs")
            return kwargs if isinstance(kwargs, dict) else {}
    return {}
