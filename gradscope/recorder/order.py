"""Sees backward, zeroing, clipping, unscaling, steps and schedules, and tells the fold in which order.

What a program does to `.grad` itself (None, `zero_()`, a division by k) is not watched but inferred, from
the object and version that were there before. Every event of the first steps is looked at, then those
of a stretch after each power of two; between stretches nothing is known, and nothing is judged.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import Optimizer

from gradscope.facts import ClipOutOfOrder, PhaseKind, StaleGradient, StepOutOfOrder
from gradscope.folds.schedules import ScheduleFold
from gradscope.folds.steps import StepFold
from gradscope.recorder import order_doors
from gradscope.recorder.held_gradients import HeldGradients, Look, zero_among
from gradscope.recorder.loss_scale import LossScale
from gradscope.recorder.now import Now
from gradscope.recorder.patches import Patches
from gradscope.recorder.phases import PhaseWatch
from gradscope.recorder.places import Loc, here
from gradscope.recorder.uses import uses_of

_FIRST_STEPS = 64
_STRETCH = 16
_MOST_BY_HAND = 64  # leaves that no optimizer owns, and that the program may step itself
_NO_LIMIT = 1e6  # a clip at such a norm only measures
_SCALED_LIMIT = 0.01  # of the loss scale: a clip above means the scaled gradients


class OrderWatch:
    """Turns what happens around the gradients into the fold's events."""

    def __init__(self, now: Now) -> None:
        self._now = now
        self.fold = StepFold()
        self.schedules = ScheduleFold()
        self.phases = PhaseWatch(now)
        self._threads: set[int] = set()  # that ran a backward
        self._held = HeldGradients(self._gone)
        self._numbers: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()
        self._optimizers = 0
        self._numbered = 0
        self._clock = 0
        self._watching = True
        self._uses: dict[int, tuple[int, int]] = {}
        self._owned: set[int] = set()  # ids of leaves that an optimizer has stepped
        self._closed = False
        self._scale = LossScale()
        self._with_closure = False

    def install(self, patches: Patches) -> None:
        """Wraps zeroing, clipping, the GradScaler and the schedulers."""
        order_doors.install(patches, self)
        patches.finally_do(self._close)

    def _close(self) -> None:
        self._closed = True  # a clipping function that the program imported by name is still ours

    def tell(self, event: Callable[..., None], *args: Any) -> None:
        """Calls one of the methods below: never raises, and no op in it is the program's."""
        if self._closed:
            return
        try:
            with torch._C.DisableTorchFunction():
                event(*args)
        except Exception as error:  # noqa: BLE001  our bookkeeping must not reach the program
            self._now.fault(event.__name__, error)

    def _gone(self, key: int) -> None:
        self.fold.drop(key)
        self._owned.discard(key)

    def _tick(self) -> None:
        clock = self._clock = self._clock + 1
        watching = clock < _FIRST_STEPS or clock - (1 << (clock.bit_length() - 1)) < _STRETCH
        if watching and not self._watching:
            self.fold.forget()
            self._held.clear()
            self._scale.forget()
        self._watching = watching

    def _number(self, of: Any) -> int:
        number = self._numbers.get(of)
        if number is None:
            self._numbered += 1
            number = self._numbers[of] = self._numbered
        return number

    # ------------------------------------------------------------ backward

    def before_backward(self, leaves: Sequence[Tensor], nodes: Sequence[Any], loc: Loc) -> None:
        """The engine is about to accumulate; `nodes` is empty where the graph was not walked."""
        self._threads.add(threading.get_ident())
        if not self._optimizers:
            self._tick()
        if not self._watching:
            return
        self._synchronise(leaves, at_backward=True)
        for leaf in self._unowned(leaves):
            if self._held.stepped_by_hand(leaf):
                self.fold.changed_by_hand(id(leaf))
        for leaf in leaves:
            self._held.note(leaf)
        self._uses = uses_of(nodes) if self._optimizers else {}

    def is_scaled(self, roots: Sequence[Tensor]) -> bool:
        """Whether a GradScaler has multiplied one of these losses."""
        return self._scale.is_in(roots)

    def after_backward(self, leaves: Sequence[Tensor], roots: Sequence[Tensor], loc: Loc) -> None:
        """The engine has accumulated into `.grad`."""
        if not self._watching:
            return
        loc = self.phases.place(PhaseKind.BACKWARD, loc)
        touched = [leaf for leaf in leaves if self._held.look(leaf) is Look.OTHER]
        for leaf in touched:
            self._held.note(leaf)
        for leaf in self._unowned(touched):
            self._held.sample(leaf)
        scaled = self._scale.is_in(roots)
        self.fold.walked(self._uses, loc)
        self.fold.backward(map(id, touched), loc, self._uses, scaled)
        if scaled and touched:
            self._scale.probe(touched[0])

    def differentiated(self, inputs: Iterable[Any], loc: Loc) -> None:
        """`autograd.grad` returned gradients with respect to these."""
        if self._watching:
            loc = self.phases.place(PhaseKind.GRAD, loc)
            leaves = [t for t in inputs if isinstance(t, Tensor) and t.is_leaf]
            for leaf in leaves:
                self._held.note(leaf)
            self.fold.differentiated(map(id, leaves), loc)

    def _unowned(self, leaves: Sequence[Tensor]) -> list[Tensor]:
        unowned = [leaf for leaf in leaves if id(leaf) not in self._owned]
        return unowned if len(unowned) <= _MOST_BY_HAND else []

    def _synchronise(self, leaves: Iterable[Tensor], at_backward: bool = False) -> None:
        """Infers what the program did to these gradients since they were last looked at."""
        doubtful = []
        for leaf in leaves:
            key = id(leaf)
            look = self._held.look(leaf)
            if not self.fold.holds(key):
                continue
            if look is Look.NONE:
                self.fold.zeroed((key,), None)
            elif look is Look.OTHER or (at_backward and self.fold.is_used(key)):
                doubtful.append((leaf, look))
        if not doubtful:
            return
        zero = {id(leaf) for leaf in zero_among([leaf for leaf, _ in doubtful])}
        for leaf, look in doubtful:
            if id(leaf) in zero:
                self.fold.zeroed((id(leaf),), None)
            elif look is Look.OTHER:
                self.fold.rewritten(id(leaf))

    # ------------------------------------------------------------ zeroing, clipping, scaling

    def zeroed(self, leaves: Iterable[Tensor]) -> None:
        """`zero_grad` was called for these."""
        place = self.phases.here(PhaseKind.ZERO)
        self.phases.saw(PhaseKind.ZERO, place)
        if self._watching:
            known = list(leaves)
            self.fold.zeroed(map(id, known), place)
            for leaf in known:
                self._held.note(leaf)

    def clipping(self, leaves: Sequence[Tensor], limit: Any) -> None:
        """A call is about to clip these gradients."""
        place = self.phases.here(PhaseKind.CLIP)
        if not float(limit) < _NO_LIMIT:
            return
        self.phases.saw(PhaseKind.CLIP, place, value=float(limit))
        if not self._watching:
            return
        self._synchronise(leaves)
        keys = [id(leaf) for leaf in leaves]
        scaled = self.fold.scaled(keys) if self._scale.is_left_in(keys) else []
        if scaled:
            scale = self._scale.value()
            meant = self._scale.was_read and scale is not None and float(limit) >= _SCALED_LIMIT * scale
            if scale != 1 and not meant:
                self.fold.clipped_scaled(scaled, place, scale)
        self.fold.clipped(keys, place)

    def noted(self, leaves: Iterable[Tensor]) -> None:
        """Torch's own code has changed these gradients, which is told otherwise."""
        if self._watching:
            for leaf in leaves:
                self._held.note(leaf)

    def scale_read(self) -> None:
        """The program asked a GradScaler for its scale."""
        self._scale.was_read = True

    def scaled(self, outputs: Any, scaler: Any) -> None:
        """A GradScaler that is enabled has multiplied these."""
        self._scale.multiplied(outputs, scaler)
        self.phases.saw(PhaseKind.SCALE, here())

    def unscaling(self, optimizer: Optimizer) -> None:
        """A GradScaler is about to divide its scale out of the gradients."""
        if self._watching:
            self._synchronise(_owned(optimizer))

    def unscaled(self, optimizer: Optimizer) -> None:
        """It has."""
        if not self._scale.inside:
            self.phases.saw(PhaseKind.UNSCALE, here())
        if self._watching:
            owned = _owned(optimizer)
            self.fold.unscaled(map(id, owned))
            self.noted(owned)

    def scale_of(self, roots: Sequence[Tensor]) -> float | None:
        """What a GradScaler has multiplied the loss of these roots by, None where none has."""
        return self._scale.value() if self._scale.is_in(roots) else None

    # ------------------------------------------------------------ steps

    def scaler_steps(self, optimizer: Optimizer) -> int:
        """A GradScaler is about to let an optimizer step; returns a mark for `scaler_stepped`."""
        self._scale.inside += 1
        return self._clock

    def scaler_stepped(self, optimizer: Optimizer, mark: int) -> None:
        """It has, or has left the step out."""
        self._scale.inside -= 1
        if self._clock == mark:
            place = self.phases.here(PhaseKind.STEP)
            self.schedules.stepped(self._number(optimizer), type(optimizer).__name__, place)
            self.phases.saw(PhaseKind.STEP, place, type(optimizer).__name__)
            if self._watching:
                self.fold.skipped(map(id, _owned(optimizer)), place)

    def constructed(self) -> None:
        """There is one more optimizer."""
        self._optimizers += 1

    def before_step(self, optimizer: Optimizer, owned: Sequence[Tensor], has_closure: bool) -> None:
        """An optimizer is about to step. One that steps inside a backward is not looked at."""
        if self._now.in_backward:
            return
        self._optimizers = self._optimizers or 1
        self._tick()
        place = self.phases.here(PhaseKind.STEP)
        self.schedules.stepped(self._number(optimizer), type(optimizer).__name__, place)
        self._with_closure = has_closure
        if not has_closure:
            self.phases.saw(PhaseKind.STEP, place, type(optimizer).__name__)
        if self._watching and not has_closure:
            self._stepped(optimizer, owned, place)

    def after_step(self, optimizer: Optimizer) -> None:
        """It has stepped. With a closure, the gradients came only now."""
        with_closure, self._with_closure = self._with_closure, False
        if with_closure:
            self.phases.saw(PhaseKind.STEP, here(), type(optimizer).__name__)
        if self._now.in_backward or not self._watching:
            return
        owned = _owned(optimizer)
        if with_closure:
            self._stepped(optimizer, owned, self.phases.here(PhaseKind.STEP))
        self.noted(owned)

    def _stepped(self, optimizer: Optimizer, owned: Sequence[Tensor], place: Loc) -> None:
        self._synchronise(owned)
        keys = [id(leaf) for leaf in owned]
        self._owned.update(keys)
        name = type(optimizer).__name__
        if not self._scale.inside and self._scale.is_left_in(keys) and (scaled := self.fold.scaled(keys)):
            scale = self._scale.value()
            if scale != 1:
                self.fold.stepped_scaled(scaled, place, name, scale)
        any_gradient = any(leaf.grad is not None for leaf in owned)
        epoch = self._now.epoch + 1
        self.fold.stepped(self._number(optimizer), name, keys, place, epoch, any_gradient)

    def scheduled(self, scheduler: Any) -> None:
        """A scheduler goes on to its next value."""
        place = self.phases.here(PhaseKind.SCHEDULE)
        self.phases.saw(PhaseKind.SCHEDULE, place, type(scheduler).__name__)
        self.schedules.scheduled(self._number(scheduler), self._number(scheduler.optimizer), place)

    def updated(self) -> None:
        """A GradScaler has set its next scale."""
        self.phases.saw(PhaseKind.UPDATE, here())

    # ------------------------------------------------------------ facts

    @property
    def is_mixed(self) -> bool:
        """Whether several threads ran backwards: what happened in one cannot be told from the others."""
        return len(self._threads) > 1

    def stale(self, name_of: Callable[[int], str]) -> tuple[StaleGradient, ...]:
        """Gradients that nothing zeroed."""
        return () if self.is_mixed else self.fold.found.stale(name_of)

    def clips(self) -> tuple[ClipOutOfOrder, ...]:
        """Clipping at the wrong time."""
        return () if self.is_mixed else self.fold.found.clips()

    def steps(self) -> tuple[StepOutOfOrder, ...]:
        """Steps at the wrong time, the schedulers' included."""
        return () if self.is_mixed else (*self.fold.found.steps(), *self.schedules.facts())

    def not_seen(self) -> tuple[str, ...]:
        """What could not be judged."""
        unjudged = "the order of zeroing, backward and step: several threads ran backwards"
        return (unjudged,) if self.is_mixed and self._optimizers else ()


def _owned(optimizer: Optimizer) -> list[Tensor]:
    return [p for group in optimizer.param_groups for p in group["params"] if isinstance(p, Tensor)]
