"""What float16 flushed out of gradients, summed over the backwards that were examined, line by line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from gradscope.facts import FlushSite, HalfGradients, LeafFlush
from gradscope.folds.places import Place
from gradscope.folds.visits import Occasion, Spot, location

_MOST_LINES = 64
_MOST_SITES = 32


@dataclass(frozen=True, slots=True)
class Flush:
    """One node of one backward that lost part of a gradient which had arrived nearly whole."""

    spot: Spot
    share: float
    error: float


@dataclass(frozen=True, slots=True)
class Shortfall:
    """What one leaf, known by its id, lost in one backward."""

    leaf: int
    shape: tuple[int, ...]
    dtype: str
    nonzero: int
    flushed: int
    error: float


@dataclass(slots=True)
class HalfOutcome:
    """What one examined backward did. `spoiled` says that a gradient was not finite: nothing is told then."""

    largest: float = 0.0
    exponents: Counter[int] = field(default_factory=Counter)
    flushes: Sequence[Flush] = ()
    shortfalls: Sequence[Shortfall] = ()
    spoiled: bool = False


@dataclass(slots=True)
class _Line:
    first: int
    passes: int = 0
    lossy: int = 0
    scale: float | None = None
    largest: float = 0.0
    exponents: Counter[int] = field(default_factory=Counter)
    sites: dict[Spot, tuple[float, float, int]] = field(default_factory=dict)
    leaves: dict[int, tuple[Shortfall, int]] = field(default_factory=dict)


class HalfFold:
    """Keeps one record for each line that ran a backward with float16 in it."""

    def __init__(self) -> None:
        self._lines: dict[Place | None, _Line] = {}

    def __len__(self) -> int:
        return len(self._lines)

    def add(self, outcome: HalfOutcome, occasion: Occasion) -> None:
        """Folds in one backward; one with gradients that are not finite is left out."""
        line = self._lines.get(occasion.backward)
        if outcome.spoiled or (line is None and len(self._lines) >= _MOST_LINES):
            return
        if line is None:
            line = self._lines[occasion.backward] = _Line(occasion.step)
        line.passes += 1
        line.scale = occasion.scale
        line.largest = max(line.largest, outcome.largest)
        if not outcome.shortfalls:
            return
        line.lossy += 1
        line.exponents.update(outcome.exponents)
        for flush in outcome.flushes:
            _add_site(line.sites, flush)
        for shortfall in outcome.shortfalls:
            first, count = line.leaves.get(shortfall.leaf, (shortfall, 0))
            line.leaves[shortfall.leaf] = (first, count + 1)

    def facts(self, leaf_name: Callable[[int], str]) -> tuple[HalfGradients, ...]:
        """One fact for each line, in the order of their first backward. `leaf_name` names a leaf."""
        return tuple(
            HalfGradients(
                location(place),
                line.first,
                line.passes,
                line.lossy,
                line.scale,
                line.largest,
                tuple(sorted(line.exponents.items())),
                _placed(line.sites),
                _named(line.leaves, leaf_name),
            )
            for place, line in self._lines.items()
        )


def _add_site(sites: dict[Spot, tuple[float, float, int]], flush: Flush) -> None:
    known = sites.get(flush.spot)
    if known is None and len(sites) < _MOST_SITES:
        sites[flush.spot] = (flush.share, flush.error, 1)
    elif known is not None:
        sites[flush.spot] = (*max(known[:2], (flush.share, flush.error)), known[2] + 1)


def _placed(sites: Mapping[Spot, tuple[float, float, int]]) -> tuple[FlushSite, ...]:
    """The sites by node and line; one line may have been reached on several ways."""
    placed: dict[object, FlushSite] = {}
    for spot, (share, error, lossy) in sites.items():
        where = location(spot.place)
        key = (spot.node, where.at if where else None)
        known = placed.get(key)
        if known is None:
            placed[key] = FlushSite(spot.node, where, share, error, lossy)
        else:
            share, error = max((known.share, known.error), (share, error))
            placed[key] = replace(known, share=share, error=error, lossy=known.lossy + lossy)
    return tuple(placed.values())


def _named(
    leaves: Mapping[int, tuple[Shortfall, int]], leaf_name: Callable[[int], str]
) -> tuple[LeafFlush, ...]:
    """The leaves by name; those that replaced each other under one name are one."""
    named: dict[str, LeafFlush] = {}
    for one, count in leaves.values():
        name = leaf_name(one.leaf)
        known = named.get(name)
        if known is not None:
            named[name] = replace(known, lossy=known.lossy + count)
            continue
        numel = 1
        for size in one.shape:
            numel *= size
        named[name] = LeafFlush(name, one.shape, one.dtype, numel, one.nonzero, one.flushed, one.error, count)
    return tuple(named.values())
