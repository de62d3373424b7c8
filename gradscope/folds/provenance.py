"""Where the NaN and Inf of a forward pass come from, and which of them spoiled a loss.

Every non-finite tensor has a `Trail`: the origins it descends from and the first ops after each. An
*intended* infinity is one that the program wrote itself, such as the -inf of an attention mask; it is
inherited silently, and a NaN computed from it has its origin where it is computed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from gradscope.facts import NonfiniteForward, Step, ValueStats
from gradscope.folds.places import Place
from gradscope.folds.visits import location

_MOST_ORIGINS = 4
_MOST_FACTS = 64
_SPREAD = 5
_LOSSES = frozenset(["cross_entropy", "nll_loss", "kl_div", "sum", "mean"])
_PICKS = frozenset(["gather", "getitem", "__getitem__", "index_select", "take_along_dim"])


@dataclass(slots=True, eq=False)
class Origin:
    """An op that made something non-finite of finite inputs, or got it from the program.

    `order` counts them in the order they happened. `source` names what the program handed in, and `leaf`
    is its id where that is a leaf; both None where the op computed it. `intended` is for an infinity that
    was written in the call.
    """

    kind: str
    op: str
    place: Place | None
    order: int
    inputs: tuple[ValueStats, ...] = ()
    output: ValueStats | None = None
    source: str | None = None
    leaf: int | None = None
    intended: bool = False
    exact: bool = True


Way = tuple[tuple[str, Place | None], ...]


@dataclass(frozen=True, slots=True)
class Trail:
    """What a non-finite tensor descends from, each origin with the first ops after it."""

    origins: tuple[tuple[Origin, Way], ...]

    @property
    def intended(self) -> bool:
        """Whether the program wrote every infinity in it itself."""
        return all(origin.intended for origin, _ in self.origins)


def begin(origin: Origin) -> Trail:
    """The trail of the very tensor that is the origin."""
    return Trail(((origin, ()),))


def inherit(trails: Iterable[Trail], op: str, place: Place | None) -> Trail:
    """The trail of what `op` made of tensors with these trails."""
    origins: dict[Origin, Way] = {}
    for trail in trails:
        for origin, way in trail.origins:
            if origin not in origins:
                origins[origin] = (*way, (op, place)) if len(way) < _SPREAD else way
    unintended = {origin: way for origin, way in origins.items() if not origin.intended}
    first = sorted((unintended or origins).items(), key=lambda item: item[0].order)
    return Trail(tuple(first[:_MOST_ORIGINS]))


def _taken(known: tuple[Origin, Way]) -> tuple[Origin, Way]:
    """An intended infinity that reached a loss, told from the first op that took it out of its mask.

    The mask is not at fault, and stays the origin only where no such op is on the way.
    """
    origin, way = known
    at = None if origin.op.startswith("log") else _index_of_taking(way)  # log(mask) may be meant otherwise
    if at is None:
        return known
    op, place = way[at]
    written = location(origin.place)
    line = f" in line {written.line}" if written else ""
    source = f"the -inf that {origin.op.strip('_')} wrote{line}"
    return replace(origin, op=op, place=place, source=source, inputs=(), intended=False), way[at + 1 :]


def _index_of_taking(way: Way) -> int | None:
    """The op that picks elements of a masked softmax, or adds them up; picking from the mask is harmless."""
    normalised = False
    for index, (op, _) in enumerate(way):
        if op in _LOSSES or (normalised and op in _PICKS):
            return index
        normalised = normalised or "softmax" in op
    return None


@dataclass(slots=True)
class _Kept:
    origin: Origin
    way: Way
    loss: str
    backward: Place | None
    step: int
    count: int = 1
    refused_by: str | None = None


class ProvenanceFold:
    """Keeps the origins of non-finite losses, once for each op and line."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, Place | None, str, str | None, int | None], _Kept] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def add(
        self, trail: Trail, loss: str, backward: Place | None, step: int, refused_by: str | None = None
    ) -> None:
        """Folds in a loss that is not finite: its first origin, and others that the program computed.

        `refused_by` names what ended the program at `backward` instead, where no backward was run.
        """
        first, *others = map(_taken, trail.origins) if trail.intended else trail.origins
        for origin, way in (first, *(other for other in others if other[0].source is None)):
            key = (origin.op, origin.place, origin.kind, origin.source, origin.leaf)
            kept = self._kept.get(key)
            if kept is not None:
                kept.count += refused_by is None
                kept.refused_by = kept.refused_by if refused_by is None else refused_by
            elif len(self._kept) < _MOST_FACTS:
                self._kept[key] = _Kept(origin, way, loss, backward, step, 1, refused_by)

    def facts(self, leaf_name: Callable[[int], str] | None) -> tuple[NonfiniteForward, ...]:
        """The origins in the order they were told. `leaf_name` names a leaf by its id."""
        return tuple(_fact(kept, leaf_name) for kept in self._kept.values())


def _fact(kept: _Kept, leaf_name: Callable[[int], str] | None) -> NonfiniteForward:
    origin = kept.origin
    source = origin.source
    if origin.leaf is not None and leaf_name is not None:
        source = leaf_name(origin.leaf)
    return NonfiniteForward(
        kind=origin.kind,
        op=origin.op,
        location=location(origin.place),
        inputs=origin.inputs,
        output=origin.output,
        loss=kept.loss,
        backward=location(kept.backward),
        step=kept.step,
        source=source,
        spread=tuple(Step(op, location(place)) for op, place in kept.way),
        exact=origin.exact,
        count=kept.count,
        refused_by=kept.refused_by,
    )
