"""What a choice of checkpointing costs: the time of its recomputations, block by block."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import median
from typing import Any, Final, TypeAlias

from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import TorchDispatchMode

from gradscope.loader.work import Work
from gradscope.memory_use.agreed import BLOCK, NONE, SELECTIVE, BlockModule, Choices
from gradscope.memory_use.attributes import unchanged
from gradscope.memory_use.flops import block_flops
from gradscope.memory_use.products import PRODUCTS
from gradscope.memory_use.regions import Regions, RunningCall
from gradscope.memory_use.timing import waiting

Costs: TypeAlias = tuple[Mapping[str, float], ...]
"""By block and option, what the option costs more than NONE: seconds, or floating-point operations."""

ROUNDS: Final = 3
SLOWEST_FACTOR: Final = 20.0
FASTEST_FACTOR: Final = 0.05
_FINE: Final = 1e-6


def timed_costs(work: Work, blocks: Sequence[BlockModule], rounds: int = ROUNDS) -> Costs:
    """Seconds of every option: the forward of what it checkpoints, up to the last tensor that is saved in it.

    A selective one leaves out the products that it keeps. The least of a few forwards counts, and equal
    blocks, which do the same work, get one cost. Calibrate them: a recomputation has costs of its own.
    """
    least: list[float] = []
    calls: list[RunningCall] = []
    for _ in range(rounds + 1):
        calls = _timed(work, blocks)
        seconds = [_seconds(call) for call in calls]
        least = seconds if len(least) != len(seconds) else list(map(min, least, seconds))
    products = _product_shares(work, blocks)
    sums: list[dict[str, float]] = [dict.fromkeys(block.options, 0.0) for block in blocks]
    for call, taken, product in zip(calls, least, products, strict=True):
        costs = sums[call.block]
        if call.option in costs:
            costs[call.option] += taken
        if call.option == BLOCK and SELECTIVE in costs:
            costs[SELECTIVE] += taken * (1 - product)
    return _levelled(sums, blocks)


def flop_costs(work: Work, blocks: Sequence[BlockModule]) -> Costs:
    """Floating-point operations of every option, for a work on fake tensors."""
    sums: list[dict[str, float]] = [dict.fromkeys(block.options, 0.0) for block in blocks]
    for call in block_flops(work, blocks):
        costs = sums[call.block]
        if call.option in costs:
            costs[call.option] += call.flops
        if call.option == BLOCK and SELECTIVE in costs:
            costs[SELECTIVE] += call.selective
    return tuple(sums)


def _timed(work: Work, blocks: Sequence[BlockModule]) -> list[RunningCall]:
    wait, clock = waiting(work), _clock_of(work)

    def now() -> float:
        wait()
        return clock()

    regions = Regions(blocks, now)

    def pack(tensor: Tensor) -> Tensor:
        regions.packed()
        return tensor

    with unchanged(work), regions.noted(), saved_tensors_hooks(pack, _as_it_is), work.again():
        work.forward()
    return regions.calls


def _clock_of(work: Work) -> Callable[[], float]:
    """The processor's time, which other programs do not lengthen, where it is the CPU that works."""
    is_fine = time.get_clock_info("process_time").resolution < _FINE
    return time.process_time if work.placement.device.type == "cpu" and is_fine else time.perf_counter


def _as_it_is(tensor: Tensor) -> Tensor:
    return tensor


def _seconds(call: RunningCall) -> float:
    return 0.0 if call.last is None else float(call.last - call.begin)


class _ProductTimes(TorchDispatchMode):
    """Seconds of all ops, and of those that a selective checkpoint may keep."""

    def __init__(self, wait: Callable[[], None], clock: Callable[[], float]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's own
        self._wait = wait
        self._clock = clock
        self.all = 0.0
        self.products: dict[str, float] = defaultdict(float)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        self._wait()
        begun = self._clock()
        output = func(*args, **(kwargs or {}))
        self._wait()
        taken = self._clock() - begun
        self.all += taken
        if func in PRODUCTS:
            self.products[PRODUCTS[func]] += taken
        return output


def _product_shares(work: Work, blocks: Sequence[BlockModule]) -> list[float]:
    """By call, which share of the time of its ops is in the products that its block keeps."""
    mode = _ProductTimes(waiting(work), _clock_of(work))
    regions = Regions(blocks, lambda: (mode.all, dict(mode.products)))

    def pack(tensor: Tensor) -> Tensor:
        regions.packed()
        return tensor

    with unchanged(work), mode, regions.noted(), saved_tensors_hooks(pack, _as_it_is), work.again():
        work.forward()
    return [_share(call, blocks[call.block]) for call in regions.calls]


def _share(call: RunningCall, block: BlockModule) -> float:
    if call.last is None:
        return 0.0
    (before, products_before), (after, products_after) = call.begin, call.last
    names = block.products or products_after.keys()
    inside = sum(products_after.get(name, 0.0) - products_before.get(name, 0.0) for name in names)
    return float(min(1.0, inside / (after - before))) if after > before else 0.0


def _levelled(costs: Sequence[dict[str, float]], blocks: Sequence[BlockModule]) -> Costs:
    """Equal blocks cost the same: what they differ by is noise."""
    groups: dict[Any, list[dict[str, float]]] = defaultdict(list)
    for block, its in zip(blocks, costs, strict=True):
        shapes = tuple(tuple(each.shape) for each in block.module.parameters())
        magnitude = round(math.log2(block.saved + 1))  # the first block may save what all share
        groups[type(block.module), block.options, block.calls, magnitude, shapes].append(its)
    for group in groups.values():
        for option in group[0]:
            level = median(its[option] for its in group)
            for its in group:
                its[option] = level
    return tuple(costs)


def calibrated(costs: Costs, measured: Sequence[tuple[Choices, float]]) -> Costs:
    """Costs scaled to steps that were timed: (choices, how much longer than a plain step each took).

    Of every option the first timed step counts in which it is the only one. Options that no step used alone
    are scaled like BLOCK. What a selective checkpoint takes beyond that is its bookkeeping, the same for
    every block.
    """
    alone: dict[str, tuple[Choices, float]] = {}
    for choices, longer in measured:
        used = {choice for choice in choices if choice != NONE}
        if len(used) == 1 and cost(costs, choices) > 0:
            alone.setdefault(next(iter(used)), (choices, longer))
    factors = {option: _factor(costs, *timed) for option, timed in alone.items()}
    usual = factors.get(BLOCK, 1.0)
    bookkeeping = 0.0
    if SELECTIVE in alone and factors[SELECTIVE] > usual:
        choices, longer = alone[SELECTIVE]
        bookkeeping = (longer - usual * cost(costs, choices)) / choices.count(SELECTIVE)
        factors[SELECTIVE] = usual
    return tuple(
        {
            option: price * factors.get(option, usual) + (bookkeeping if option == SELECTIVE else 0.0)
            for option, price in its.items()
        }
        for its in costs
    )


def _factor(costs: Costs, choices: Choices, longer: float) -> float:
    return min(SLOWEST_FACTOR, max(FASTEST_FACTOR, longer / cost(costs, choices)))


def cost(costs: Costs, choices: Choices) -> float:
    """What choices cost together."""
    return sum(its[choice] for its, choice in zip(costs, choices, strict=True))


def cheapest_first(its: Mapping[str, float]) -> Iterator[str]:
    """The options of a block, NONE first."""
    yield from sorted(its, key=lambda option: (its[option], option != NONE))
