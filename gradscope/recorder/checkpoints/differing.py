"""The ops that gave something else when they were recomputed: one fact for each, over the whole run."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from gradscope.facts import Recomputed, RecomputedOp
from gradscope.finding import Location
from gradscope.folds.places import Place
from gradscope.folds.recomputation import Difference
from gradscope.recorder.checkpoints.log import MOST_OPS
from gradscope.recorder.inplace import WriteLog
from gradscope.recorder.places import here

if TYPE_CHECKING:
    from gradscope.recorder.checkpoints.region import Region

_MOST = 256  # ops that differ

_Key: TypeAlias = tuple[Place, Place | None, Recomputed]


class Differing:
    """Adds up comparisons. `failed` keeps a fact with the exception that came of it."""

    def __init__(
        self,
        failed: Callable[[str, RecomputedOp, BaseException], None],
        name_of: Callable[[int], str],
        writes: WriteLog,
    ) -> None:
        self._failed = failed
        self._name_of = name_of
        self._writes = writes
        self._compared: Counter[Place] = Counter()
        self._found: dict[_Key, tuple[RecomputedOp, Difference]] = {}
        self._too_long = 0

    def compared(self, region: Region, found: Difference | None, error: BaseException | None) -> None:
        """A recomputation was compared with its first run."""
        self._compared[region.place] += 1
        self._too_long += region.is_too_long
        if found is None:
            return
        fact = self._fact(region, found)
        if error is not None:
            fact = dataclasses.replace(self._named(fact, found), raised=_first_line(error))
            self._failed("recomputed_ops", fact, error)
            return
        op = found.op or found.again
        key = (region.place, op.place if op is not None else None, found.cause)
        known = self._found.get(key)
        if known is not None:
            fact, found = known
            fact = dataclasses.replace(fact, differing=fact.differing + 1)
        elif len(self._found) >= _MOST:
            return
        self._found[key] = fact, found

    def facts(self) -> tuple[RecomputedOp, ...]:
        """What differed, with the number of comparisons of its checkpoint."""
        return tuple(
            dataclasses.replace(
                self._named(fact, found), compared=max(self._compared[key[0]], fact.differing)
            )
            for key, (fact, found) in self._found.items()
        )

    def not_seen(self) -> tuple[str, ...]:
        """What was not compared."""
        if not self._too_long:
            return ()
        return (f"checkpoints: what {self._too_long:,} recomputation(s) ran past the first {MOST_OPS:,} ops",)

    def _named(self, fact: RecomputedOp, found: Difference) -> RecomputedOp:
        """The fact with the names that its leaves go by now; two leaves are the two things that differ."""
        if found.given is None:
            return fact
        before, now = (self._name_of(one.leaf) if one.leaf is not None else None for one in found.given)
        if before and now and before != now:
            fact = dataclasses.replace(fact, first=before, again=now)
        return dataclasses.replace(fact, leaf=now)

    def _fact(self, region: Region, found: Difference) -> RecomputedOp:
        op = found.op or found.again
        write = None
        if found.cause is Recomputed.WRITTEN and found.given is not None:
            write = self._writes.first_since(*found.given[0].memory)
        return RecomputedOp(
            checkpoint=region.place.location(),
            function=region.function,
            op=op.name if op is not None else "",
            location=op.place.location() if op is not None else None,
            cause=found.cause,
            difference=found.off,
            first=found.words[0],
            again=found.words[1],
            instead=_instead(found),
            parted=_parted(found),
            given=found.given[1].position if found.given is not None else None,
            written_at=write.loc.location() if write is not None else None,
            written_by=write.op if write is not None else "",
            backward=here().location(),
            preserves_rng=region.preserves_rng,
            reentrant=region.reentrant,
            drifted=found.drifted,
            saved=0 if region.reentrant else found.kept,
            of=0 if region.reentrant else found.of,
        )


def _instead(found: Difference) -> Location | None:
    """The line that ran in place of the first run's."""
    if found.cause is not Recomputed.PATH or found.op is None or found.again is None:
        return None
    return found.again.place.location()


def _parted(found: Difference) -> tuple[Location, Location | None] | None:
    """Where the ways of the two runs part: two places of the innermost function that both went through."""
    first, again = found.next_ops
    if first is None or again is None:
        only = first or again
        place = only.chain[0].location() if only is not None and len(only.chain) == 1 else None
        return (place, None) if place is not None else None
    for one, other in zip(reversed(first.chain), reversed(again.chain), strict=False):
        if one is other:
            continue
        places = one.location(), other.location()
        if places[0] is None or places[1] is None:
            return None
        in_one = (places[0].path, places[0].function) == (places[1].path, places[1].function)
        return (places[0], places[1]) if in_one else None
    return None


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return f"{type(error).__name__}: {text.splitlines()[0] if text else ''}"
