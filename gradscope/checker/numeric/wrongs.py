"""What is reported of the inputs that differ: worst element, numbers, cause and pattern."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

import torch
from torch import Tensor

from gradscope.checker.numeric.bisection import Search
from gradscope.checker.numeric.coordinates import index_of
from gradscope.checker.numeric.directional import Directional, Estimate, Input
from gradscope.checker.numeric.entry import entry
from gradscope.checker.numeric.evidence import Evidence
from gradscope.checker.numeric.excuses import Excuses
from gradscope.checker.numeric.gradients import Analytical, Limit
from gradscope.checker.numeric.patterns import Surroundings, pattern_of
from gradscope.checker.numeric.probes import Chance
from gradscope.checker.numeric.steps import Examined, Verdict
from gradscope.checker.numeric.surrogates import surrogate
from gradscope.checker.numeric.verdicts import InputVerdict, where
from gradscope.checker.point import Deadline, OutOfTime, Point
from gradscope.facts.checks import Cause, Pattern, WrongGradient

_LOOK_AT_ALL = 128
_LOOK_AT = 96
_ENOUGH_EXACT = 8
_COMPARED = 32
_SEVERAL = 3
_NEARLY = 1e-3


class Wrongs:
    """Turns verdicts about inputs into facts. `deliberate` says that all of them are surrogates.

    `replaced` is the lower precision that float64 takes the place of in forward, and not in backward.
    """

    def __init__(
        self,
        point: Point,
        analytical: Analytical,
        directional: Directional,
        chance: Chance,
        deadline: Deadline,
        verdicts: Sequence[InputVerdict],
        replaced: torch.dtype | None = None,
    ) -> None:
        self.point = point
        self.analytical = analytical
        self.directional = directional
        self.chance = chance
        self.deadline = deadline
        self.verdicts = verdicts
        self.notes: list[str] = []
        self._excuses = Excuses(point, analytical, directional, replaced)
        self.deliberate = False

    def facts(self, *, locate: bool) -> list[WrongGradient]:
        """One fact for each input that differs, and notes about differences that are no mistakes.

        Unless `locate`, no Jacobian entry, no pattern and no count is looked for.
        """
        for verdict in self.verdicts:
            self._excuses.apply(verdict)
        self.notes += self._excuses.notes()
        chosen = dict(self._surrogates())
        self.directional.forward.limit = Limit(self.deadline, 0.0)
        facts = []
        for verdict in self.verdicts:
            if verdict.wrong:
                facts.append(self._fact_of(verdict, bool(chosen), locate=locate))
            elif verdict.block is not None:
                facts.append(self._block(verdict, *verdict.block, bool(chosen)))
            elif verdict.kinks:
                facts.append(self._kink(verdict))
            elif verdict.not_finite:
                facts.append(self._not_finite(verdict))
        self.directional.forward.limit = None
        if chosen:
            self._say_deliberate(*next(iter(chosen.items())))
        return facts

    # ------------------------------------------------------------ facts

    def _fact_of(self, verdict: InputVerdict, is_surrogate: bool, *, locate: bool) -> WrongGradient:
        """As much as there is time for."""
        if locate:
            with suppress(OutOfTime):
                return self._surrogate(verdict) if is_surrogate else self._wrong(verdict)
        return self._somewhere(verdict, is_surrogate)

    def _block(
        self, verdict: InputVerdict, block: Tensor, estimate: Estimate, is_surrogate: bool
    ) -> WrongGradient:
        """Some elements of a block, which one is not known: the derivatives are those along a direction."""
        at = verdict.at
        row = _worst_row(estimate)
        alone = block.numel() == 1
        unit = float(at.scale[block[0]]) if alone else 1.0
        numerical = float(estimate.numerical[row]) / unit
        analytical = numerical + float(estimate.difference[row]) / unit
        among = f"among {block.numel():,} of {len(at):,} elements" if block.numel() < len(at) else "somewhere"
        words = (
            "time ran out before the other elements were looked at"
            if alone
            else f"{among}: time ran out before it was known where (both derivatives are those along one "
            "random direction)"
        )
        return self._fact(
            at,
            index_of(int(block[0]), at.like) if alone else (),
            (self.analytical.positions[0], None),
            (analytical if at.returned else None, numerical, float(estimate.tolerance[row]) / unit),
            Cause.SURROGATE if is_surrogate else Cause.FORMULA if at.returned else Cause.MISSING,
            pattern_text=words,
        )

    def _somewhere(self, verdict: InputVerdict, is_surrogate: bool) -> WrongGradient:
        """The worst element that was come by, and its gradient summed over the outputs."""
        at = verdict.at
        coordinate, seen = max(verdict.wrong.items(), key=lambda item: _apart(at, *item))
        assert seen.estimate is not None
        row, scale = _worst_row(seen.estimate), float(at.scale[coordinate])
        numerical = float(seen.estimate.numerical[row]) / scale
        analytical = numerical + float(seen.estimate.difference[row]) / scale
        cause = Cause.FORMULA if at.returned else Cause.MISSING
        return self._fact(
            at,
            index_of(coordinate, at.like),
            (self.analytical.positions[0], None),
            (analytical if at.returned else None, numerical, float(seen.estimate.tolerance[row]) / scale),
            Cause.SURROGATE if is_surrogate else cause,
            wrong=len(verdict.wrong),
            looked_at=len(verdict.wrong),
        )

    def _surrogate(self, verdict: InputVerdict) -> WrongGradient:
        """One entry of the Jacobian that differs on purpose: no pattern, nothing counted."""
        at = verdict.at
        coordinate, seen = max(verdict.wrong.items(), key=lambda item: _apart(at, *item))
        assert seen.estimate is not None
        found = entry(self.directional, self.analytical, at, coordinate, seen, _worst_row(seen.estimate))
        return self._fact(
            at,
            index_of(coordinate, at.like),
            (found.output, found.output_element),
            (found.analytical if at.returned else None, found.numerical, found.uncertainty),
            Cause.SURROGATE,
            wrong=len(verdict.wrong),
            looked_at=len(verdict.wrong),
        )

    def _wrong(self, verdict: InputVerdict) -> WrongGradient:
        at = verdict.at
        wrong, looked_at = self._count(verdict)
        coordinate, seen = max(verdict.wrong.items(), key=lambda item: _apart(at, *item))
        assert seen.estimate is not None
        found = entry(self.directional, self.analytical, at, coordinate, seen, _worst_row(seen.estimate))
        pattern, words = self._pattern(verdict) if at.returned else (Pattern.NONE, "")
        if at.returned and pattern is Pattern.NONE and self._is_nearly_right(verdict):
            words = "nearly right in every element: probably a constant with too few digits"
        return self._fact(
            at,
            index_of(coordinate, at.like),
            (found.output, found.output_element),
            (found.analytical if at.returned else None, found.numerical, found.uncertainty),
            Cause.FORMULA if at.returned else Cause.MISSING,
            pattern=pattern,
            pattern_text=words,
            wrong=wrong,
            looked_at=looked_at,
        )

    def _pattern(self, verdict: InputVerdict) -> tuple[Pattern, str]:
        """In what way an input's gradient is wrong. The elements it is told from include right ones."""
        search = verdict.search
        if verdict.searched_all and not verdict.looked:
            for coordinate in self.chance.some((~search.excluded).nonzero().flatten(), _COMPARED).tolist():
                if coordinate not in verdict.wrong and not self.deadline.is_over:
                    verdict.looked[coordinate] = search.glance(coordinate)
        evidence = Evidence.of(verdict.at, verdict.looked, verdict.wrong)
        inputs = [one.at for one in self.verdicts]
        around = Surroundings(self.point, self.analytical, self.directional, inputs)
        return pattern_of(evidence, search, around)

    def _is_nearly_right(self, verdict: InputVerdict) -> bool:
        """Whether what is wrong is so by less than a thousandth of the largest gradient, and is not few."""
        at = verdict.at
        largest = float(at.gradients.abs().max())
        apart = [_apart(at, *item) for item in verdict.wrong.items()]
        return len(apart) >= _SEVERAL and max(apart) < _NEARLY * largest

    def _kink(self, verdict: InputVerdict) -> WrongGradient:
        at = verdict.at
        coordinate, looked = next(iter(verdict.kinks.items()))
        gradient = at.gradients[:, coordinate]
        outside = torch.maximum(
            gradient - torch.maximum(looked.above, looked.below),
            torch.minimum(looked.above, looked.below) - gradient,
        )
        row = int(outside.argmax())
        nearer = min((looked.below, looked.above), key=lambda side: abs(float(side[row] - gradient[row])))
        below, above = float(looked.below[row]), float(looked.above[row])
        self.notes.append(
            f"{where(at, coordinate)} is at a kink: the one-sided derivatives are {below:.4g} and "
            f"{above:.4g}, backward gives {float(gradient[row]):.4g}"
        )
        return self._fact(
            at,
            index_of(coordinate, at.like),
            (self.analytical.positions[0], None),
            (float(gradient[row]) if at.returned else None, float(nearer[row]), float(looked.tolerance[row])),
            Cause.KINK,
            wrong=len(verdict.kinks),
            looked_at=len(verdict.kinks),
        )

    def _not_finite(self, verdict: InputVerdict) -> WrongGradient:
        at = verdict.at
        coordinate, value = next(iter(verdict.not_finite.items()))
        examined = verdict.search.element(coordinate)
        estimate = examined.estimate
        numerical = float(estimate.numerical[0]) / float(at.scale[coordinate]) if estimate else float("nan")
        unsure = float(estimate.tolerance[0]) / float(at.scale[coordinate]) if estimate else float("nan")
        return self._fact(
            at,
            index_of(coordinate, at.like),
            (self.analytical.positions[0], None),
            (value, numerical, unsure),
            Cause.FORMULA,
            pattern_text="the gradient is not finite where the derivative is",
            wrong=len(verdict.not_finite),
            looked_at=len(verdict.not_finite),
        )

    def _count(self, verdict: InputVerdict) -> tuple[int, int]:
        """How many elements are wrong, of how many that were looked at one by one or known to agree."""
        at, search = verdict.at, verdict.search
        judged = (~search.excluded).nonzero().flatten()
        if verdict.searched_all and len(verdict.wrong) < judged.numel():
            return len(verdict.wrong), judged.numel()
        chosen = judged if judged.numel() <= _LOOK_AT_ALL else self.chance.some(judged, _LOOK_AT)
        looked: set[int] = set()
        for coordinate in chosen.tolist():
            if self.deadline.is_over:
                break
            looked.add(coordinate)
            if coordinate not in verdict.wrong:
                seen = self._quick(search, coordinate, verdict)
                kept = verdict.wrong if seen.verdict is Verdict.WRONG else verdict.looked
                kept[coordinate] = seen
        if len(looked) == len(at) or not any(one in looked for one in verdict.wrong):
            return len(verdict.wrong), len(looked | verdict.wrong.keys())
        return sum(one in looked for one in verdict.wrong), len(looked)

    def _quick(self, search: Search, coordinate: int, verdict: InputVerdict) -> Examined:
        """Whether an element differs; once enough are known to, one step size will do."""
        if len(verdict.wrong) < _ENOUGH_EXACT:
            return search.element(coordinate)
        return search.glance(coordinate)

    def _fact(
        self,
        at: Input,
        element: tuple[int, ...],
        output: tuple[int, tuple[int, ...] | None],
        numbers: tuple[float | None, float, float],
        cause: Cause,
        *,
        pattern: Pattern = Pattern.NONE,
        pattern_text: str = "",
        wrong: int = 1,
        looked_at: int = 1,
    ) -> WrongGradient:
        analytical, numerical, uncertainty = numbers
        return WrongGradient(
            input=at.number,
            input_name=at.name,
            element=element,
            output=output[0],
            output_element=output[1],
            analytical=analytical,
            numerical=numerical,
            uncertainty=uncertainty,
            cause=cause,
            pattern=pattern,
            pattern_text=pattern_text,
            wrong=wrong,
            looked_at=looked_at,
            elements=len(at) if 1 < looked_at < len(at) else 0,
        )

    # ------------------------------------------------------------ surrogates

    def _surrogates(self) -> Iterator[tuple[str, str]]:
        """Inputs whose gradient is another one on purpose, and why; where one has such a gradient, those of
        the others follow from it.
        """
        for verdict in self.verdicts:
            at = verdict.at
            if (verdict.wrong or verdict.block is not None) and at.returned:
                reason = surrogate(self.point, self.analytical, self.directional, at, self.chance)
                if reason:
                    yield at.name, reason

    def _say_deliberate(self, name: str, reason: str) -> None:
        self.deliberate = True
        others = [verdict.at.name for verdict in self.verdicts if verdict.wrong and verdict.at.name != name]
        if others:
            self.notes.append(
                f"the gradient of {', '.join(others)} differs too: it is taken to follow from the surrogate "
                f"for {name}, and whether its formula is right was not judged"
            )
        self.notes.append(
            f"{reason}, and backward is a surrogate for {name}: declare it with a comment "
            "`# gradscope: approximate[straight-through]` above the class"
        )


def _worst_row(estimate: Estimate) -> int:
    """The cotangent whose difference is farthest beyond its tolerance."""
    return int((estimate.difference.abs() / estimate.tolerance.clamp(min=1e-300)).argmax())


def _apart(at: Input, coordinate: int, seen: Examined) -> float:
    """How far an element's gradient is off, in its own unit."""
    if seen.estimate is None:
        return 0.0
    return float(seen.estimate.difference.abs().max() / at.scale[coordinate])
