"""One input: what differs there, what of it is a mistake, and what cannot be judged."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field

import torch
from torch import Tensor

from gradscope.checker.numeric.bisection import Search
from gradscope.checker.numeric.coordinates import index_of
from gradscope.checker.numeric.directional import Directional, Estimate, Input, direction_over
from gradscope.checker.numeric.gradients import Limit
from gradscope.checker.numeric.probes import Chance
from gradscope.checker.numeric.sides import Shape, Sides, sides, sides_along
from gradscope.checker.numeric.steps import Examined, Verdict
from gradscope.checker.point import Deadline, OutOfTime

_ROUNDS = 8
_MOST_NOT_FINITE = 8
_TELLING = 1e-2
_ALIKE = 2.0**-19
_MOST_ALIKE = 2.0**-10
_MANY = 8.0
_FAR_BEYOND = 10.0  # in units of the tolerance
_KEPT_BACK = 0.3  # of the time: to say what was found
_SMALLEST = 1e-5  # relative: what a constant with too few digits makes


@dataclass(slots=True)
class InputVerdict:
    """What was seen of one input, by coordinate.

    `wrong` are mistakes, `looked` elements that were found to agree; the gradients of `kinks` are none of
    the one-sided derivatives, nor between; those of `not_finite` are NaN or Inf where the derivative is
    not. `block` are elements of which some are wrong, where time ran out before it was known which. `small`
    is a relative difference too small to be a mistake. `searched_all` says that all elements but the wrong
    ones agree.
    """

    at: Input
    search: Search
    wrong: dict[int, Examined] = field(default_factory=dict)
    looked: dict[int, Examined] = field(default_factory=dict)
    kinks: dict[int, Sides] = field(default_factory=dict)
    not_finite: dict[int, float] = field(default_factory=dict)
    agreement: float | None = None  # the largest relative difference; None where nothing was telling
    block: tuple[Tensor, Estimate] | None = None
    small: float = 0.0
    searched_all: bool = False
    complete: bool = True
    notes: list[str] = field(default_factory=list)

    @property
    def differs(self) -> bool:
        """Whether anything is to be reported."""
        return bool(self.wrong or self.kinks or self.not_finite or self.block is not None)


class InputCheck:
    """Probes one input, and follows what differs to its elements."""

    def __init__(
        self, directional: Directional, at: Input, here: Tensor, chance: Chance, deadline: Deadline
    ) -> None:
        self.directional = directional
        self.at = at
        self.here = here
        self.deadline = deadline
        self.search = Search(directional, at, chance)
        self.verdict = InputVerdict(at, self.search)
        self._alike = _ALIKE
        self._block: tuple[Tensor, Examined, Tensor] | None = None  # what differed, and the part it came to

    def run(self, most: int) -> InputVerdict:
        """Rounds of probing until all that is left agrees, or mistakes were found (up to `most` at once)."""
        forward = self.directional.forward
        # What differed and could not be followed to its elements in time is not known to be right.
        in_time = False
        with forward.limited(Limit(self.deadline, _KEPT_BACK)), suppress(OutOfTime):
            in_time = self._rounds(most)
        if not in_time and not self.verdict.differs:
            with forward.limited(Limit(self.deadline, 0.0)), suppress(OutOfTime):
                self._confirm_block()
        self.verdict.complete = in_time or self.verdict.differs
        return self.verdict

    def _rounds(self, most: int) -> bool:
        """Whether all could be followed. Raises OutOfTime."""
        self._leave_out_not_finite()
        for _ in range(_ROUNDS):
            differing = self._differing()
            if not differing:
                break
            if not self._follow(differing, most) or self.verdict.wrong:
                break
            # Where kinks are many, more and more of what lies next to one is left out with it.
            self._alike = min(8 * self._alike, _MOST_ALIKE)
        return self._block is None

    def _confirm_block(self) -> None:
        """Whether what differs along a direction is a mistake: flat over the step sizes, far beyond what is
        uncertain, and neither a kink nor a jump. Then so is what differs among a part of its elements.
        """
        if self._block is None:
            return
        group, seen, block = self._block
        if seen.verdict is not Verdict.WRONG or seen.estimate is None or _is_small(seen):
            return
        if seen.estimate.excess < _FAR_BEYOND:
            return
        numbers = self.search.chance.signed(len(self.at))
        whole = direction_over(self.at, group, numbers)
        if sides_along(self.directional, self.at, whole, self.here).shape is not Shape.SMOOTH:
            return
        self.verdict.block = (group, seen.estimate)
        estimate = self.directional.estimate(
            self.at, direction_over(self.at, block, numbers), seen.estimate.step
        )
        if estimate.finite and estimate.excess > _FAR_BEYOND:
            self.verdict.block = (block, estimate)

    def _differing(self) -> list[tuple[Tensor, Examined]]:
        """The groups of elements whose directions differ; notes how well the others agree."""
        differing = []
        for group, examined in self.search.try_all():
            if examined.verdict is not Verdict.AGREES:
                if not self._is_small_too(examined):
                    differing.append((group, examined))
            elif examined.estimate is not None:
                share = share_of(self.at, examined.estimate)
                if share < _TELLING:  # beyond it only the uncertainty, next to a jump, makes both agree
                    self.verdict.agreement = max(self.verdict.agreement or 0.0, share)
        return differing

    def _is_small_too(self, examined: Examined) -> bool:
        """Whether a direction differs by no more than many of the small differences found already."""
        estimate = examined.estimate
        known = self.verdict.small
        return known > 0 and estimate is not None and share_of(self.at, estimate) <= _MANY * known

    def _follow(self, differing: list[tuple[Tensor, Examined]], most: int) -> bool:
        """Goes down to `most` elements at a time, judges each, and leaves out those that are no mistake;
        whether any was found.
        """
        any_found = False
        self.verdict.searched_all = True
        for group, examined in differing:
            found = self.search.descend(group, examined, most)
            any_found = any_found or bool(found.elements)
            if found.block is not None and self._block is None:
                self._block = (group, examined, found.block)
            self.verdict.searched_all &= found.complete
            for coordinate, seen in found.elements.items():
                if not self.search.excluded[coordinate]:
                    self._judge(coordinate, seen)
        return any_found

    def _judge(self, coordinate: int, seen: Examined) -> None:
        looked = sides(self.directional, self.at, coordinate, self.here)
        gradient = self.at.gradients[:, coordinate]
        if looked.shape is Shape.KINK:
            if looked.allow(gradient):
                self._leave_out(coordinate, kink_note(self.at, coordinate, gradient, looked))
            else:
                self.verdict.kinks[coordinate] = looked
                self._leave_out(coordinate)
        elif looked.shape is not Shape.SMOOTH or seen.verdict is not Verdict.WRONG:
            self._leave_out(coordinate, f"{self._where(coordinate)}: {_NOT_JUDGED[looked.shape]}")
        elif seen.estimate is not None and _is_small(seen):
            self.verdict.small = max(self.verdict.small, relative(seen))
            self.search.excluded[coordinate] = True
        else:
            self.verdict.wrong[coordinate] = seen

    def _leave_out(self, coordinate: int, note: str = "") -> None:
        """This element and all of nearly the same value, which behave alike."""
        apart = (self.at.at - self.at.at[coordinate]).abs()
        self.search.excluded |= apart <= self._alike * self.at.scale
        self.search.excluded[coordinate] = True
        if note and len(self.verdict.notes) < 2:
            self.verdict.notes.append(note)

    def _leave_out_not_finite(self) -> None:
        broken = ~self.at.gradients.isfinite().all(dim=0)
        if not bool(broken.any()):
            return
        given = self.at.gradients.clone()
        self.at.gradients = torch.where(broken, 0.0, given)
        for coordinate in self.search.chance.some(broken.nonzero().flatten(), _MOST_NOT_FINITE).tolist():
            looked = sides(self.directional, self.at, coordinate, self.here)
            if looked.shape in (Shape.SMOOTH, Shape.KINK):
                column = given[:, coordinate]
                self.verdict.not_finite[coordinate] = float(column[~column.isfinite()][0])
            else:
                self.verdict.notes.append(f"{self._where(coordinate)}: {_NOT_JUDGED[looked.shape]}")
                del self.verdict.notes[2:]
        self.search.excluded |= broken

    def _where(self, coordinate: int) -> str:
        return where(self.at, coordinate)


_NOT_JUDGED = {
    Shape.JUMP: "forward jumps there, so it has no derivative to compare with",
    Shape.INFINITE: "forward's slope is infinite there, so there is no derivative to compare with",
    Shape.EDGE: "forward is not finite right next to it, so there is no derivative to compare with",
    Shape.SMOOTH: "the numerical derivative differs from step size to step size and was not judged",
    Shape.KINK: "forward has a kink there",
}


def where(at: Input, coordinate: int) -> str:
    """ "x[2, 7] = 0.5"."""
    index = ", ".join(map(str, index_of(coordinate, at.like)))
    return (
        f"{at.name}[{index}] = {float(at.at[coordinate]):.4g}"
        if index
        else f"{at.name} = {float(at.at[coordinate]):.4g}"
    )


def kink_note(at: Input, coordinate: int, gradient: Tensor, looked: Sides) -> str:
    """At a kink any value between the one-sided derivatives is right; says which one backward takes."""
    row = int((looked.above - looked.below).abs().argmax())
    unit = float(looked.above[row] - looked.below[row])
    share = float((gradient[row] - looked.below[row]) / unit)
    if abs(share) < 1e-3:
        took = "the derivative from below"
    elif abs(share - 1) < 1e-3:
        took = "the derivative from above"
    else:
        took = f"a value between the one-sided derivatives ({share:.2g} of the way)"
    return f"{where(at, coordinate)} is at a kink: backward gives {took}"


def share_of(at: Input, estimate: Estimate) -> float:
    """A difference along a direction in units of the gradient's 2-norm over scaled elements."""
    size = float((at.gradients * at.scale).norm(dim=1).max())
    return float(estimate.difference.abs().max()) / size if size else 0.0


def relative(examined: Examined) -> float:
    """The difference along a direction in units of the derivative there."""
    estimate = examined.estimate
    if estimate is None:
        return 0.0
    size = torch.maximum(estimate.numerical.abs(), (estimate.numerical + estimate.difference).abs())
    share = estimate.difference.abs() / size.max().clamp(min=1e-300)
    return float(share.max())


def _is_small(seen: Examined) -> bool:
    return relative(seen) < _SMALLEST
