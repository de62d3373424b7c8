"""What became of every gradient between backward, clipping, step and zeroing.

A leaf's gradient is *fresh* from a backward until a step of its owner, and *used* from then until it is
zeroed. Everything the order rules ask follows from that: a backward on a used gradient, a clip with
nothing fresh, a step after the fresh gradient was zeroed. Keys are the `id`s of leaves, which the
recorder drops when a leaf dies; optimizers are numbered.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from gradscope.facts import ClipOrder, StepOrder
from gradscope.folds.out_of_order import Foreign, OutOfOrder, Used
from gradscope.folds.places import Place

_REMEMBERED_PASSES = 16

Uses = Mapping[int, tuple[int, int]]
"""For each leaf of a graph: the epoch of the oldest node that takes it, the sequence number of the last."""


@dataclass(slots=True)
class _Gradient:
    """One leaf's gradient since it was last zeroed, and where that was."""

    fresh: Place | None = None
    number: int = 0  # of the last backward that added to it
    used: Used | None = None
    foreign: Foreign | None = None
    mixed: Foreign | None = None  # another backward has added to what the foreign one left
    clip: Place | None = None  # since the last backward
    clip_between: Place | None = None  # before the last backward, after an earlier one of this step
    clip_early: Place | None = None  # of nothing, since the last step
    edited: bool = False
    scaled: bool = False
    lost: tuple[Place, Place | None] | None = None  # the backward and the zeroing that threw it away
    lost_after: int | None = None  # the count of backwards then, where another step had used that backward
    zeroed: Place | None = None
    changed: tuple[int, Place, str] | None = None  # the epoch after the leaf's last step, where, by what
    grad_call: Place | None = None

    def clear(self, place: Place | None, lost_after: int | None) -> None:
        """Nothing is left."""
        if self.fresh is not None:
            self.lost, self.lost_after = (self.fresh, place), lost_after
        self.fresh = self.used = self.foreign = self.mixed = self.clip = self.clip_between = None
        self.edited = self.scaled = False
        self.zeroed = place or self.zeroed


class StepFold:
    """Keeps one small state for each leaf; what is out of order goes to `found`."""

    def __init__(self) -> None:
        self._gradients: dict[int, _Gradient] = {}
        self._passes: deque[tuple[int, frozenset[int], Uses]] = deque(maxlen=_REMEMBERED_PASSES)
        self._backwards = 0
        self._last: Place | None = None
        self._optimizers: set[int] = set()
        self._spent: deque[int] = deque(maxlen=_REMEMBERED_PASSES)  # backwards that a step has used
        self.found = OutOfOrder()

    def __len__(self) -> int:
        return len(self._gradients)

    def forget(self) -> None:
        """Events were missed: nothing is known of any gradient. What was found stays."""
        self._gradients.clear()
        self._passes.clear()

    def drop(self, key: int) -> None:
        """The leaf is gone."""
        self._gradients.pop(key, None)

    def _of(self, key: int) -> _Gradient:
        known = self._gradients.get(key)
        if known is None:
            known = self._gradients[key] = _Gradient()
        return known

    # ------------------------------------------------------------ what is asked

    def holds(self, key: int) -> bool:
        """Whether the leaf's gradient is known to be there, fresh or used."""
        known = self._gradients.get(key)
        return known is not None and (known.fresh is not None or known.used is not None)

    def is_used(self, key: int) -> bool:
        """Whether a step has used the leaf's gradient, and nothing is known to have zeroed it since."""
        known = self._gradients.get(key)
        return known is not None and known.used is not None

    def scaled(self, keys: Iterable[int]) -> list[int]:
        """Those whose fresh gradient is still multiplied by the loss scale."""
        states = ((key, self._gradients.get(key)) for key in keys)
        return [key for key, s in states if s is not None and s.scaled and s.fresh is not None]

    # ------------------------------------------------------------ events

    def zeroed(self, keys: Iterable[int], place: Place | None) -> None:
        """Gradients were set to None or to zeros; `place` where it is known by whom."""
        for key in keys:
            known = self._gradients.get(key)
            if known is not None:
                spent = known.fresh is not None and known.number in self._spent
                known.clear(place, self._backwards if spent else None)

    def rewritten(self, key: int) -> None:
        """The program wrote its own numbers into a gradient, not zeros: it is no longer judged by us."""
        known = self._gradients.get(key)
        if known is not None:
            known.used = known.foreign = known.mixed = None
            known.edited, known.scaled = True, False

    def unscaled(self, keys: Iterable[int]) -> None:
        """The loss scale was divided out."""
        for key in keys:
            known = self._gradients.get(key)
            if known is not None:
                known.scaled = False

    def differentiated(self, keys: Iterable[int], place: Place) -> None:
        """`autograd.grad` with respect to these leaves: nothing was put into `.grad`."""
        for key in keys:
            self._of(key).grad_call = place

    def walked(self, uses: Uses, place: Place) -> None:
        """A backward went through a graph without an error. Was a leaf stepped since the graph took it?"""
        told: set[Place] = set()
        for key, (epoch, _) in uses.items():
            known = self._gradients.get(key)
            if known is not None and known.changed is not None and epoch < known.changed[0]:
                _, step, name = known.changed
                if step not in told:
                    told.add(step)
                    self.found.step(StepOrder.INSIDE_PASS, step, name, backward=place)

    def backward(
        self, keys: Iterable[int], place: Place, uses: Uses | None = None, scaled: bool = False
    ) -> None:
        """A backward added to the gradients of these leaves."""
        reached = frozenset(keys)
        self._backwards += 1
        self._last = place
        if uses:
            self._passes.append((self._backwards, reached, uses))
        for key in reached:
            known = self._of(key)
            if known.fresh is not None and known.clip is not None:
                known.clip_between = known.clip
            known.clip = None
            if known.foreign is not None and not known.foreign.meant & reached:
                known.mixed = known.foreign
            known.fresh, known.number = place, self._backwards
            known.lost = None
            known.edited = False
            known.scaled = scaled

    def clipped(self, keys: Collection[int], place: Place) -> None:
        """A call clipped the gradients of these leaves, those that have none included."""
        states = [self._of(key) for key in keys]
        if any(known.fresh is not None for known in states):
            for known in states:
                if known.fresh is not None:
                    known.clip = place
            return
        used = next((s.used for s in states if s.used is not None), None)
        if used is not None and used.step is not None and not used.clipped:
            self.found.clip(ClipOrder.AFTER_STEP, place, used.backward, used.step)
        for known in states:
            known.clip_early = place

    def clipped_scaled(self, keys: Sequence[int], place: Place, scale: float | None) -> None:
        """A call clipped gradients that were still multiplied by the loss scale."""
        self.found.clip(ClipOrder.BEFORE_UNSCALE, place, self._of(keys[0]).fresh, None, scale)

    def stepped_scaled(self, keys: Sequence[int], place: Place, name: str, scale: float | None) -> None:
        """An optimizer used gradients that were still multiplied by the loss scale."""
        self.found.step(StepOrder.PAST_SCALER, place, name, self._of(keys[0]).fresh, scale)

    def stepped(
        self,
        optimizer: int,
        name: str,
        owned: Sequence[int],
        place: Place,
        epoch: int,
        any_gradient: bool,
    ) -> None:
        """An optimizer stepped, which used every fresh gradient of the leaves it owns.

        `epoch` is the one that begins with this step, `any_gradient` whether any `.grad` was set.
        """
        states = [(key, known) for key in owned if (known := self._gradients.get(key)) is not None]
        fresh = [(key, known) for key, known in states if known.fresh is not None]
        self._count(optimizer, name, place, owned, [known for _, known in states], any_gradient)
        told: set[object] = set()
        for key, known in fresh:
            self._judge_sum(key, known, place, name, told)
            if known.clip_between is not None and known.clip_between not in told:
                told.add(known.clip_between)
                self.found.clip(ClipOrder.BETWEEN_BACKWARDS, known.clip_between, known.fresh, place)
            late = known.clip_early
            if late is not None and known.clip is None and not known.edited and late not in told:
                told.add(late)
                self.found.clip(ClipOrder.BEFORE_BACKWARD, late, known.fresh, place)
        self._optimizers.add(optimizer)
        if len(self._optimizers) > 1:
            self._leave_foreign({known.number for _, known in fresh}, frozenset(owned), place)
        self._spent.extend({known.number for _, known in fresh}.difference(self._spent))
        self._use(fresh, place)
        for _, known in fresh:
            known.changed = (epoch, place, name)
        for _, known in states:
            known.lost = None

    def skipped(self, owned: Iterable[int], place: Place) -> None:
        """A GradScaler left out the step because of an Inf: for the order it counts as one."""
        states = [(key, known) for key in owned if (known := self._gradients.get(key)) is not None]
        self._use([(key, known) for key, known in states if known.fresh is not None], place)

    def changed_by_hand(self, key: int) -> None:
        """The program itself changed the leaf by a multiple of its gradient."""
        known = self._gradients.get(key)
        if known is not None and known.fresh is not None:
            self._judge_sum(key, known, None, None, set())
            self._use([(key, known)], None)

    # ------------------------------------------------------------ judging the state

    def _use(self, fresh: Iterable[tuple[int, _Gradient]], place: Place | None) -> None:
        for _, known in fresh:
            known.used = Used(known.fresh, place, known.clip is not None or known.edited)
            known.fresh = known.clip = known.clip_between = known.clip_early = None
            known.foreign = known.mixed = None

    def _judge_sum(
        self, key: int, known: _Gradient, step: Place | None, name: str | None, told: set[object]
    ) -> None:
        """Whether the fresh gradient was added to one that should have been zeroed."""
        before = known.used or known.mixed
        if before is None or known.fresh is None:
            return
        first_of_step = known.fresh not in told
        told.add(known.fresh)
        self.found.sum_of(known.fresh, step, before, name, known.zeroed, key, first_of_step)

    def _leave_foreign(self, numbers: set[int], owned: frozenset[int], place: Place) -> None:
        """Marks what a backward meant for these leaves has left in others that they are fed into.

        The others lie nearer the loss (a discriminator after its generator). A trunk that two heads
        share lies further from it, and gets its gradient on purpose.
        """
        for number, reached, uses in self._passes:
            meant = reached & owned
            if number not in numbers or not meant:
                continue
            nearest = max((uses[key][1] for key in meant if key in uses), default=-1)
            for key in reached - owned if nearest >= 0 else ():
                known = self._gradients.get(key)
                if (
                    known is not None
                    and known.fresh is not None
                    and known.number == number
                    and uses.get(key, (0, -1))[1] > nearest
                ):
                    known.foreign = Foreign(known.fresh, place, meant)

    def _misses(self, known: _Gradient) -> bool:
        """Whether the step needed what was zeroed.

        It did not where that was left by a backward which another optimizer had already used (a critic's
        loss reaches its generator too), and a further backward has come since.
        """
        return known.lost is not None and (known.lost_after is None or known.lost_after == self._backwards)

    def _count(
        self,
        optimizer: int,
        name: str,
        place: Place,
        owned: Sequence[int],
        states: list[_Gradient],
        any_gradient: bool,
    ) -> None:
        fed = any(known.fresh is not None or known.used is not None for known in states)
        lost = next((known.lost for known in states if self._misses(known)), None)
        idle = not fed and (lost is not None or not any_gradient)
        call = next((known.grad_call for known in states if known.grad_call is not None), None)
        self.found.stepped(optimizer, name, place, idle, lost, call, owned, self._last)
