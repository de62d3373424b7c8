"""From a direction that differs to the elements that do."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from gradscope.checker.numeric.directional import Directional, Input, direction_over, unit
from gradscope.checker.numeric.probes import Chance, alike
from gradscope.checker.numeric.steps import Examined, Verdict, examine
from gradscope.checker.point import OutOfTime

_SHARE = 1e-4  # of the smallest gradient in a direction: no larger error may hide in its tolerance


@dataclass(slots=True)
class Found:
    """Elements that differ, by coordinate; `complete` says that all others are known to agree.

    `block` holds the coordinates among which the difference lies, where time ran out before an element was
    found.
    """

    elements: dict[int, Examined] = field(default_factory=dict)
    complete: bool = True
    block: Tensor | None = None


class Search:
    """Looks for differences in one input. `excluded` coordinates are left alone: they cannot be judged."""

    def __init__(self, directional: Directional, at: Input, chance: Chance) -> None:
        self.directional = directional
        self.at = at
        self.chance = chance
        self.excluded = (
            torch.zeros(len(at), dtype=torch.bool, device="cpu") if at.finite is None else ~at.finite
        )

    def groups(self) -> list[Tensor]:
        """The coordinates that are left, those with gradients of like size together."""
        return list(alike(self.at.sizes, (~self.excluded).nonzero().flatten()))

    def try_all(self) -> list[tuple[Tensor, Examined]]:
        """One direction over each group."""
        return [(group, self.try_group(group)) for group in self.groups()]

    def try_group(self, group: Tensor) -> Examined:
        """One random direction over some coordinates."""
        direction = direction_over(self.at, group, self.chance.signed(len(self.at)))
        return examine(self.directional, self.at, direction, self.wanted(group))

    def wanted(self, group: Tensor) -> float:
        """The tolerance that a direction over these coordinates should have."""
        sizes = self.at.sizes[group]
        known = sizes[sizes > 0]
        return _SHARE * float(known.min()) if known.numel() else float("inf")

    def element(self, coordinate: int) -> Examined:
        """One coordinate by itself."""
        wanted = 10 * _SHARE * float(self.at.sizes[coordinate]) or float("inf")
        return examine(self.directional, self.at, unit(self.at, coordinate), wanted)

    def glance(self, coordinate: int) -> Examined:
        """One coordinate at a single step size."""
        estimate = self.directional.estimate(self.at, unit(self.at, coordinate), self.directional.steps[0])
        differs = estimate.finite and estimate.disagrees
        return Examined(Verdict.WRONG if differs else Verdict.AGREES, estimate)

    def descend(self, group: Tensor, seen: Examined, most: int) -> Found:
        """Halves a group that differs until single coordinates are left; at most `most` of those."""
        found = Found()
        step = (
            seen.estimate.step
            if seen.verdict is Verdict.WRONG and seen.estimate is not None
            else self.directional.steps[0]
        )
        numbers = self.chance.signed(len(self.at))
        stack = [group]
        part = group
        try:
            while stack:
                if len(found.elements) >= most:
                    found.complete = False
                    break
                part = stack.pop()
                if part.numel() == 1:
                    examined = self.element(int(part))
                    if examined.verdict is not Verdict.AGREES:
                        found.elements[int(part)] = examined
                    continue
                stack += self._halves(part, numbers, step)
        except OutOfTime:
            found.complete = False
            found.block = None if found.elements else part
        return found

    def _halves(self, part: Tensor, numbers: Tensor, step: float) -> list[Tensor]:
        """Those halves that differ, the worse one last; the worse one alone where neither shows it."""
        middle = part.numel() // 2
        halves = []
        for half in (part[:middle], part[middle:]):
            estimate = self.directional.estimate(self.at, direction_over(self.at, half, numbers), step)
            halves.append((estimate.excess if estimate.finite else float("inf"), half))
        halves.sort(key=lambda pair: pair[0])
        differing = [half for excess, half in halves if excess > 1.0]
        return differing or [halves[-1][1]]
