"""The comparison of one point: every active input probed, differences followed, causes told apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from gradscope.checker.numeric.comparison import Comparison
from gradscope.checker.numeric.coordinates import count
from gradscope.checker.numeric.directional import Directional, Input
from gradscope.checker.numeric.gradients import (
    Analytical,
    BackwardRaised,
    Forward,
    ForwardRaised,
    NothingDifferentiable,
)
from gradscope.checker.numeric.noise import Noise, staircase
from gradscope.checker.numeric.perturbed import responses
from gradscope.checker.numeric.precision import Dtypes, lowest_dtype
from gradscope.checker.numeric.probes import Chance, cotangents
from gradscope.checker.numeric.verdicts import InputCheck, InputVerdict
from gradscope.checker.numeric.widened import SHORT, widened
from gradscope.checker.numeric.wrongs import Wrongs
from gradscope.checker.point import Deadline, Point
from gradscope.loader.generators import seeded
from gradscope.recorder.stats import dtype_name

_MOST_FOUND = 12
_MOST_UNLOCATED = 1
_REPEATS = 1e-9  # relative: forwards that differ by more are no functions of their inputs
_REPEATS_LOW = 1e-4


def compare(point: Point, deadline: Deadline, *, locate: bool = True) -> Comparison:
    """Compares reverse-mode gradients with numerical derivatives in all active inputs of a point.

    With `locate`, a wrong gradient is followed to its worst element, and its cause and pattern are told.
    Without, the verdict is the same, but the numbers are those of some wrong element summed over outputs.
    """
    try:
        with seeded():
            try:
                return _Comparing(point, Analytical(point), deadline).run(locate=locate)
            except _Short as short:
                wide = widened(point)
                comparing = _Comparing(wide, Analytical(wide), deadline, replaced=short.dtype)
                found = comparing.run(locate=locate)
                note = f"{dtype_name(short.dtype)} is used inside: judged with float64 in its place"
                return replace(found, notes=(note, *found.notes))
    except (BackwardRaised, ForwardRaised, NothingDifferentiable, _CannotCompare) as reason:
        return Comparison(failed=str(reason))


class _CannotCompare(Exception):
    """Why nothing can be compared, in a sentence."""


class _Short(Exception):
    """16-bit arithmetic is inside, which no step size resolves."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__(dtype)
        self.dtype = dtype


class _Comparing:
    """All that belongs to one comparison."""

    def __init__(
        self,
        point: Point,
        analytical: Analytical,
        deadline: Deadline,
        *,
        replaced: torch.dtype | None = None,
    ) -> None:
        self.point = point
        self.replaced = replaced
        self.analytical = analytical
        self.deadline = deadline
        self.chance = Chance()
        self.forward = Forward(point, analytical)
        self.notes: list[str] = []
        self.here = self._outputs_here()
        self.cotangents = cotangents(self.chance, analytical.size) * self.here.isfinite()
        self.here = self.here.masked_fill(~self.here.isfinite(), 0.0)
        self.inputs = self._inputs()
        for number, tensor in enumerate(point.tensors):
            if tensor.layout is not torch.strided:
                self.notes.append(f"{point.name(number)} is not a strided tensor: it was not compared")
        noise = self._noise()
        self.largest = max((float(at.scale.max()) for at in self.inputs if len(at)), default=0.0)
        drowned = noise.drowned(self.largest)
        if bool(drowned.any()):
            noise = self._without(drowned)
        self.directional = Directional(self.forward, self.cotangents, noise, self._closer)

    def _inputs(self) -> list[Input]:
        gradients = self.analytical.gradients(list(self.cotangents))
        inputs = [
            Input(self.point, number, gradients)
            for number, tensor in enumerate(self.point.tensors)
            if tensor.layout is torch.strided
        ]
        # None for a tensor that the program does not differentiate, as a table or a mask, is right.
        return [at for at in inputs if at.returned or not self.point.is_spare(at.number)]

    def _without(self, drowned: Tensor) -> Noise:
        """Leaves outputs out that float64 cannot follow at these inputs; the noise of the others."""
        lost, every = int(drowned.sum()), drowned.numel()
        which = "the output" if every == 1 else f"{lost} of {every} elements that forward returns"
        text = f"{which} cannot be followed in float64: it turns, or has a kink, within 1e-12 of these inputs"
        if not bool((self.cotangents * ~drowned).any()):
            raise _CannotCompare(text)
        self.notes.append(f"{text}: not judged")
        ignored = self.forward.ignored
        self.forward.ignored = drowned if ignored is None else ignored | drowned
        self.here = self.here.masked_fill(drowned, 0.0)
        self.cotangents = self.cotangents * ~drowned
        self.inputs = self._inputs()
        return self._noise()

    def _closer(self, noise: Noise) -> Noise:
        """The noise with what only wide steps, or other roundings of each operation, show."""
        if noise.quantised:
            return noise
        seen = noise.with_samples(staircase(self._line(self.inputs), self.largest))
        return seen.with_samples(responses(self.forward, self.here))

    def run(self, *, locate: bool) -> Comparison:
        """Probes every input, then says what was found."""
        verdicts: list[InputVerdict] = []
        complete = True
        for at in self.inputs:
            if len(at) == 0:
                continue
            if self.deadline.is_over and verdicts:
                complete = False
                break
            check = InputCheck(self.directional, at, self.here, self.chance, self.deadline)
            verdicts.append(check.run(_MOST_FOUND if locate else _MOST_UNLOCATED))
        wrongs = Wrongs(
            self.point,
            self.analytical,
            self.directional,
            self.chance,
            self.deadline,
            verdicts,
            self.replaced,
        )
        wrong = wrongs.facts(locate=locate)
        notes = [*self.notes, *(note for one in verdicts for note in one.notes), *wrongs.notes]
        known = [one.agreement for one in verdicts if not one.differs and one.agreement is not None]
        return Comparison(
            wrong=tuple(wrong),
            agreement=max(known, default=None),
            complete=complete and all(one.complete for one in verdicts),
            failed="" if verdicts else "every input is empty",
            deliberate=bool(wrong) and wrongs.deliberate,
            notes=tuple(dict.fromkeys(notes)),
        )

    def _outputs_here(self) -> Tensor:
        """The outputs at the point; raises where they are no function of it, or not finite at all."""
        here = self.forward()
        with Dtypes() as watching:
            again = self.forward()
        short = next((dtype for dtype in SHORT if dtype in watching.seen), None)
        if short is not None and self.replaced is None:
            raise _Short(short)
        finite = here.isfinite()
        if not torch.equal(finite, again.isfinite()):
            raise _CannotCompare(_DIFFERS)
        if here.numel() and not bool(finite.any()):
            raise _CannotCompare("forward returns nothing but NaN or Inf")
        size = float(here[finite].norm())
        low = any(like.dtype not in (torch.float64, torch.complex128) for like in self.analytical.like)
        if float((here - again)[finite].norm()) > (_REPEATS_LOW if low else _REPEATS) * size:
            raise _CannotCompare(_DIFFERS)
        if not bool(finite.all()):
            lost = int((~finite).sum())
            self.forward.ignored = ~finite
            self.notes.append(f"{lost} of {here.numel()} elements that forward returns are not finite")
        return here

    def _noise(self) -> Noise:
        """Of all inputs together; where arithmetic of lower precision is inside, of the one that shows it
        most: next to an input that is not rounded, the rounding of another would not be seen.
        """
        together = self._noise_of(self.inputs)
        if together.quantised or len(self.inputs) < 2:
            return together
        if lowest_dtype(self.analytical, self.cotangents[0]) is None:
            return together
        alone = [self._noise_of([at]) for at in self.inputs if len(at)]
        coarse = [noise for noise in alone if noise.quantised]
        return max(coarse, key=lambda noise: float(noise.each.norm()), default=together)

    def _noise_of(self, inputs: list[Input]) -> Noise:
        return Noise.measured(self._line(inputs), [count(like) for like in self.analytical.like])

    def _line(self, inputs: list[Input]) -> Callable[[float], Tensor]:
        """The outputs at a distance from the point, along a random direction."""
        directions = [at.scale * self.chance.signed(len(at)) for at in inputs]

        def along(distance: float) -> Tensor:
            if distance == 0.0:
                return self.here
            pairs = zip(inputs, directions, strict=True)
            return self.forward({at.place: at.moved(line * distance)[0] for at, line in pairs if len(at)})

        return along


_DIFFERS = "forward is not a function of its inputs: two evaluations differ"
