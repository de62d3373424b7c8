"""What was found out of order in the steps of a training loop, by line: bounded tables, and their facts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from gradscope.facts import ClipOrder, ClipOutOfOrder, StaleGradient, StepOrder, StepOutOfOrder
from gradscope.folds.places import Place
from gradscope.folds.visits import location

_MOST = 256  # lines that are told apart
_MOST_LEAVES = 4096  # of one line
_LEAST_IDLE_STEPS = 2


@dataclass(frozen=True, slots=True)
class Used:
    """A step used the gradient that `backward` gave; `clipped` says that it was clipped before."""

    backward: Place | None
    step: Place | None
    clipped: bool


@dataclass(frozen=True, slots=True)
class Foreign:
    """`backward` was meant for the leaves in `meant`, whose optimizer then stepped."""

    backward: Place
    step: Place
    meant: frozenset[int]


@dataclass(slots=True)
class _Steps:
    """All steps of one optimizer at one line; idle are those for which no gradient was there."""

    name: str
    count: int = 0
    idle: int = 0
    lost: tuple[Place, Place | None] | None = None
    grad_call: Place | None = None
    owned: tuple[int, ...] = ()  # at the first idle step
    after: Place | None = None  # the last backward before it


@dataclass(slots=True)
class _Stale:
    used: Used | Foreign
    name: str | None
    zeroed: Place | None = None
    count: int = 0
    leaves: dict[int, None] = field(default_factory=dict)


@dataclass(slots=True)
class _Clip:
    """What was seen of one clipping line: how often for each reason, and the first places."""

    counts: dict[ClipOrder, int] = field(default_factory=dict)
    places: dict[ClipOrder, tuple[Place | None, Place | None, float | None]] = field(default_factory=dict)


class OutOfOrder:
    """The tables. Past the first lines nothing new is kept, and what is known is counted on."""

    def __init__(self) -> None:
        self._steps: dict[tuple[int, Place], _Steps] = {}
        self._stale: dict[tuple[Place, Place | None], _Stale] = {}
        self._clips: dict[Place, _Clip] = {}
        self._misplaced: dict[tuple[StepOrder, Place], StepOutOfOrder] = {}

    def stepped(
        self,
        optimizer: int,
        name: str,
        place: Place,
        idle: bool,
        lost: tuple[Place, Place | None] | None,
        grad_call: Place | None,
        owned: Sequence[int] = (),
        after: Place | None = None,
    ) -> None:
        """A step; `idle` where no gradient was there for it, `lost` where one had been and was zeroed.

        `after` is the last backward before it, of whatever loss.
        """
        steps = self._steps.get((optimizer, place))
        if steps is None:
            if len(self._steps) >= _MOST:
                return
            steps = self._steps[optimizer, place] = _Steps(name)
        steps.count += 1
        if idle:
            steps.idle += 1
            steps.owned = steps.owned or tuple(owned[:_MOST_LEAVES])
            steps.after = steps.after or after
            steps.lost = lost or steps.lost
            steps.grad_call = steps.grad_call or grad_call

    def sum_of(
        self,
        backward: Place,
        step: Place | None,
        before: Used | Foreign,
        name: str | None,
        zeroed: Place | None,
        leaf: int,
        first_of_step: bool,
    ) -> None:
        """A leaf was stepped with the sum of what `backward` gave and what was there `before`."""
        stale = self._stale.get((backward, step))
        if stale is None:
            if len(self._stale) >= _MOST:
                return
            stale = self._stale[backward, step] = _Stale(before, name)
        if isinstance(before, Used):
            stale.used = before
        stale.zeroed = zeroed or stale.zeroed
        stale.count += first_of_step
        if len(stale.leaves) < _MOST_LEAVES:
            stale.leaves[leaf] = None

    def clip(
        self,
        kind: ClipOrder,
        place: Place,
        backward: Place | None,
        step: Place | None,
        scale: float | None = None,
    ) -> None:
        """A line clipped at the wrong time."""
        clip = self._clips.get(place)
        if clip is None:
            if len(self._clips) >= _MOST:
                return
            clip = self._clips[place] = _Clip()
        clip.counts[kind] = clip.counts.get(kind, 0) + 1
        clip.places.setdefault(kind, (backward, step, scale))

    def step(
        self,
        kind: StepOrder,
        place: Place,
        name: str,
        backward: Place | None = None,
        scale: float | None = None,
    ) -> None:
        """A line stepped at the wrong time, in a way that one step is enough to tell."""
        known = self._misplaced.get((kind, place))
        if known is not None or len(self._misplaced) < _MOST:
            count = known.count + 1 if known is not None else 1
            self._misplaced[kind, place] = StepOutOfOrder(
                kind, location(place), name, location(backward), scale=scale, count=count
            )

    # ------------------------------------------------------------ facts

    def stale(self, leaf_name: Callable[[int], str]) -> tuple[StaleGradient, ...]:
        """Sums of gradients that steps should not have used. `leaf_name` names a leaf by its id."""
        counts: dict[Place, int] = {}
        for (_, place), steps in self._steps.items():
            counts[place] = counts.get(place, 0) + steps.count
        return tuple(
            StaleGradient(
                location(backward),
                location(step),
                stale.name,
                tuple(dict.fromkeys(map(leaf_name, stale.leaves))),
                left_by=location(stale.used.backward),
                other_step=location(stale.used.step) if isinstance(stale.used, Foreign) else None,
                zeroed_at=location(stale.zeroed),
                count=stale.count,
                steps=counts.get(step, 0) if step is not None else 0,
            )
            for (backward, step), stale in self._stale.items()
        )

    def clips(self) -> tuple[ClipOutOfOrder, ...]:
        """One fact for each line that clips at the wrong time, with what was wrong most often."""
        found = []
        for place, clip in self._clips.items():
            kind = max(clip.counts, key=lambda one: clip.counts[one])
            backward, step, scale = clip.places[kind]
            found.append(
                ClipOutOfOrder(
                    kind, location(place), location(backward), location(step), scale, clip.counts[kind]
                )
            )
        return tuple(found)

    def steps(self) -> tuple[StepOutOfOrder, ...]:
        """Steps at the wrong time; idle ones only of an optimizer that never stepped with a gradient."""
        fed = self._fed()
        idle: dict[Place, StepOutOfOrder] = {}
        for (optimizer, place), steps in self._steps.items():
            concerned = steps.lost is not None or steps.grad_call is not None
            if optimizer in fed or not concerned or steps.idle < _LEAST_IDLE_STEPS:
                continue
            before = idle[place].count if place in idle else 0
            idle[place] = _idle(steps, place, before)
        return (*self._misplaced.values(), *idle.values())

    def unfed(self) -> dict[int, Place | None]:
        """Leaves of optimizers that never had a gradient to step with, though none was zeroed too early.

        With the last backward before the first of those steps.
        """
        fed = self._fed()
        return {
            leaf: steps.after
            for (optimizer, _), steps in self._steps.items()
            if optimizer not in fed and steps.lost is None and steps.idle >= _LEAST_IDLE_STEPS
            for leaf in steps.owned
        }

    def _fed(self) -> set[int]:
        return {optimizer for (optimizer, _), steps in self._steps.items() if steps.idle < steps.count}


def _idle(steps: _Steps, place: Place, before: int) -> StepOutOfOrder:
    backward, zeroed = steps.lost or (steps.grad_call, None)
    return StepOutOfOrder(
        StepOrder.ZEROED if steps.lost is not None else StepOrder.NO_GRADIENT,
        location(place),
        steps.name,
        location(backward),
        location(zeroed),
        grad_call=steps.lost is None,
        count=before + steps.idle,
    )
