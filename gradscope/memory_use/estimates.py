"""What steps cost where no clock can tell: on fake tensors, which take no time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from gradscope.facts import Strategy
from gradscope.loader.work import Work
from gradscope.memory_use.comparison import Comparison
from gradscope.memory_use.flops import StepFlops, count_flops
from gradscope.memory_use.measuring import is_on_fake
from gradscope.memory_use.trying import Tried


@dataclass(slots=True)
class Estimates:
    """Of one step and its blocks, counted when first asked for; `say` is told then."""

    work: Work
    tried: Tried
    say: Callable[[str], None]
    _flops: StepFlops | None = None

    def with_costs(self, found: Comparison) -> Comparison:
        """On fake tensors, which take no time: ratios of floating-point operations."""
        if not is_on_fake(self.work):
            return found
        return replace(found, strategies=tuple(map(self.counted, found.strategies)))

    def flops(self) -> StepFlops:
        """What is counted of the step, once."""
        if self._flops is None:
            self.say("counting operations")
            self._flops = count_flops(self.work, self.tried.blocks)
        return self._flops

    def counted(self, strategy: Strategy) -> Strategy:
        """A strategy with its floating-point operations beside those of a plain step and forward."""
        flops = self.flops()
        if strategy.failure is not None or not flops.plain:
            return strategy
        more = flops.of(strategy.choices) - flops.plain
        again = min(1.0, more / flops.forward) if flops.forward else None
        return replace(strategy, time_ratio=1 + more / flops.plain, recomputed=again)
