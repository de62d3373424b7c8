"""What a checkpointed call does in the backward: when it runs again, how much it needs, what it leaves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from gradscope.memory_use.traced import NEVER, Call, Pack, StepTrace


@dataclass(frozen=True, slots=True)
class Recomputation:
    """At event `at` (NEVER: it is not needed) it takes up to `peak` bytes on top of what is alive.

    `until` says when each storage dies that it leaves behind, `left` bytes together. `used` bytes that were
    kept for it are gone when it is done. At event `over` the checkpoint lets go of the rest.
    """

    at: int
    over: int
    peak: int = 0
    left: int = 0
    used: int = 0
    until: dict[int, int] = field(default_factory=dict)


def recomputation(
    trace: StepTrace, call: Call, packs: Sequence[Pack], kept: frozenset[int] = frozenset()
) -> Recomputation:
    """What the checkpoint of a call does. `packs` were saved in it, `kept` it need not make again."""
    there = kept | trace.casts
    over = max((pack.released for pack in packs), default=NEVER)
    at = min((pack.unpacked for pack in packs if pack.unpacked != NEVER), default=NEVER)
    if at == NEVER:
        return Recomputation(at, over)
    until: dict[int, int] = {}
    saved = {pack.storage for pack in packs}
    for pack in packs:
        is_made = call.begin <= pack.storage < call.stop and pack.storage not in there
        if is_made and pack.released > at:
            until[pack.storage] = max(until.get(pack.storage, NEVER), pack.released)
    peak = call.extra + _peak(trace, call, saved, there)
    left = sum(trace.sizes[each] for each in until)
    used = sum(trace.sizes[each] for each in kept if each < call.stop and each not in saved)
    return Recomputation(at, over, peak, left, used, until)


def _peak(trace: StepTrace, call: Call, saved: set[int], kept: frozenset[int]) -> int:
    """The most that the ops of a call, up to its last saved tensor, have alive when `saved` does not die.

    What was kept is alive before, and dies like the rest.
    """
    scratch: dict[int, int] = {}
    for one in trace.scratch_between(call.begin, call.stop):
        scratch[one.birth] = max(one.size, scratch.get(one.birth, 0))
    dying: dict[int, int] = defaultdict(int)
    live = peak = 0
    for storage in range(call.begin, call.stop):
        live -= dying.pop(storage, 0)
        if storage not in kept:
            peak = max(peak, live + scratch.get(storage, 0))
            live += trace.sizes[storage]
            peak = max(peak, live)
        gone = trace.let_go[storage]
        if storage not in saved and gone != NEVER:
            dying[gone] += trace.sizes[storage]
    return peak
