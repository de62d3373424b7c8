"""Where NaN and Inf are born in backward passes, which leaves they reach, and where they are healed.

A backward is followed edge by edge in the order its nodes ran: a node that got finite gradients and
gave a non-finite one is a birth; a node that got a non-finite one passes its births on along the
non-finite edges it gives. Births of one node and line are kept once, with a count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from gradscope.facts import NonfiniteBirth, Step
from gradscope.folds.places import Place
from gradscope.folds.visits import Content, HookSite, Look, Occasion, Received, Spot, Visit, location

_MOST_BIRTHS = 256
_MOST_LOOKS = 3
_SPREAD = 5


@dataclass(slots=True, eq=False)
class Traced:
    """One birth in one backward, and what became of it.

    `origin` is "node"; "sum" where the summands of a gradient were finite, or infinite with different
    signs, and their sum is not; "seed" where the gradient given to `backward` was already non-finite;
    "hook" where a hook made it: `hook`, or None where it is only known that no op did.
    """

    spot: Spot
    kind: Content
    origin: str
    look: Look | None
    hook: HookSite | None = None
    reached: dict[int | str, Content] = field(default_factory=dict)
    spread: list[Spot] = field(default_factory=list)
    becomes: Spot | None = None
    masked_at: Spot | None = None


def trace(
    visits: Iterable[Visit],
    received: Mapping[int, Received],
    spot_at: Callable[[int], Spot | None],
) -> list[Traced]:
    """The births of one backward. `received` is by node index; `spot_at` describes a node that ran."""
    births: list[Traced] = []
    arriving: dict[int, dict[Traced, set[Content]]] = {}
    passed_on: set[int] = set()
    for visit in visits:
        bad_edges = [
            (target, given)
            for target, given in zip(visit.targets, visit.outgoing, strict=True)
            if given is not None and not given.is_finite
        ]
        if visit.incoming.is_finite and not bad_edges:
            continue
        present = _present(visit, arriving.get(visit.index, {}), births)
        if not bad_edges:
            continue
        passed_on.add(visit.index)
        for birth in present:
            if birth.becomes is None and birth.kind is Content.INF and _turns(visit, bad_edges):
                birth.becomes = visit.spot
            if birth.spot is not visit.spot and len(birth.spread) < _SPREAD:
                birth.spread.append(visit.spot)
            for target, given in bad_edges:
                if target is not None:
                    arriving.setdefault(target, {}).setdefault(birth, set()).add(given)
    _settle(arriving, passed_on, received, spot_at)
    for index, got in received.items():
        if got.hook is not None and not got.content.is_finite and index not in arriving:
            spot = spot_at(index) or Spot("AccumulateGrad", None)
            births.append(Traced(spot, got.content, "hook", None, got.hook, {got.key: got.content}))
    return births


def _present(visit: Visit, arriving: dict[Traced, set[Content]], births: list[Traced]) -> list[Traced]:
    """The births at work in a visited node; one that begins there is added to `births`."""
    if visit.incoming.is_finite:
        kind = _worst(given for given in visit.outgoing if given is not None)
        hook = visit.hook_after
        births.append(Traced(visit.spot, kind, "hook" if hook else "node", visit.look, hook))
        return births[-1:]
    if not arriving:
        origin = "seed" if not visit.summands else "sum" if visit.summands > 1 else "hook"
        hook = visit.hook_before
        births.append(Traced(visit.spot, visit.incoming, "hook" if hook else origin, visit.look, hook))
        return births[-1:]
    if visit.incoming is Content.NAN and all(Content.NAN not in kinds for kinds in arriving.values()):
        for birth in arriving:
            birth.becomes = birth.becomes or visit.spot
    return list(arriving)


def _turns(visit: Visit, bad_edges: list[tuple[int | None, Content]]) -> bool:
    return visit.incoming is Content.INF and any(given is Content.NAN for _, given in bad_edges)


def _worst(contents: Iterable[Content]) -> Content:
    return Content.NAN if Content.NAN in contents else Content.INF


def _settle(
    arriving: Mapping[int, Mapping[Traced, set[Content]]],
    passed_on: set[int],
    received: Mapping[int, Received],
    spot_at: Callable[[int], Spot | None],
) -> None:
    """Says of every place that births arrived at, and went no further from, what it was."""
    for index, births in arriving.items():
        got = received.get(index)
        for birth in births:
            if got is not None and not got.content.is_finite:
                known = birth.reached.get(got.key)
                birth.reached[got.key] = Content.NAN if known is Content.NAN else got.content
            elif index not in passed_on and birth.masked_at is None:
                birth.masked_at = spot_at(index)


@dataclass(slots=True)
class _Kept:
    traced: Traced
    occasion: Occasion
    count: int = 1
    looks: int = 0
    last_scale: float | None = None


class BirthFold:
    """Keeps each birth once for its node, line and kind; the first that reached a leaf is told."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, Place | None, Content, str | HookSite], _Kept] = {}
        self.left_out = 0  # births at further lines, once the table was full

    def __len__(self) -> int:
        return len(self._kept)

    def wants_look(self, spot: Spot) -> bool:
        """Whether statistics of this node would still be told: none were taken, or it was harmless."""
        same = [
            kept
            for (node, place, _, _), kept in self._kept.items()
            if (node, place) == (spot.node, spot.place)
        ]
        return not same or any(not kept.traced.reached and kept.looks < _MOST_LOOKS for kept in same)

    def add(self, births: Iterable[Traced], occasion: Occasion) -> None:
        """Folds in the births of one backward."""
        for traced in births:
            key = (traced.spot.node, traced.spot.place, traced.kind, traced.hook or traced.origin)
            kept = self._kept.get(key)
            if kept is not None:
                _merge(kept, traced, occasion)
            elif len(self._kept) < _MOST_BIRTHS:
                self._kept[key] = _Kept(
                    traced, occasion, looks=traced.look is not None, last_scale=occasion.scale
                )
            else:
                self.left_out += 1

    def facts(self, leaf_name: Callable[[int], str]) -> tuple[NonfiniteBirth, ...]:
        """The births in the order they were first told. `leaf_name` names a leaf by its id."""
        kept = sorted(self._kept.values(), key=lambda one: one.occasion.step)
        return tuple(_fact(one, leaf_name) for one in kept)


def _merge(kept: _Kept, traced: Traced, occasion: Occasion) -> None:
    kept.count += 1
    kept.last_scale = occasion.scale
    kept.looks += traced.look is not None
    if traced.reached and not kept.traced.reached:
        traced.look = traced.look or kept.traced.look
        kept.traced, kept.occasion = traced, occasion
        return
    for key, given in traced.reached.items():
        if kept.traced.reached.get(key) is not Content.NAN:
            kept.traced.reached[key] = given
    kept.traced.becomes = kept.traced.becomes or traced.becomes


def _fact(kept: _Kept, leaf_name: Callable[[int], str]) -> NonfiniteBirth:
    traced, occasion = kept.traced, kept.occasion
    look = traced.look
    reached = [key if isinstance(key, str) else leaf_name(key) for key in traced.reached]
    final = _worst(traced.reached.values()) if traced.reached else traced.kind
    return NonfiniteBirth(
        kind=traced.kind.value,
        final=final.value,
        node=traced.spot.node,
        location=location(traced.hook.place if traced.hook else traced.spot.place),
        incoming=look.incoming if look else None,
        outgoing=look.outgoing if look else None,
        saved=look.saved if look else (),
        reached=tuple(dict.fromkeys(reached)),
        trainable=occasion.trainable,
        backward=location(occasion.backward),
        step=occasion.step,
        masked_at=_step(traced.masked_at) if not traced.reached else None,
        becomes=_step(traced.becomes),
        spread=tuple(spot.step() for spot in traced.spread),
        exact=occasion.exact,
        count=kept.count,
        origin=traced.origin,
        hook=traced.hook.function if traced.hook else None,
        true_largest=look.true_largest if look else None,
        scale=occasion.scale,
        last_scale=kept.last_scale,
    )


def _step(spot: Spot | None) -> Step | None:
    return spot.step() if spot is not None else None
