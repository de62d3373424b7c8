"""Which backward nodes turn a gradient into zeros, and which leaves get nothing else because of them.

A node that got a gradient with a non-zero element and gave zeros on every edge is a *site*; so is a
single edge that was multiplied by a saved tensor of zeros. Zeros travel on from there, edge by edge. A
leaf belongs to the sites upstream of it as long as every gradient it gets is exactly zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from gradscope.facts import ValueStats, ZeroedAt
from gradscope.folds.places import Place
from gradscope.folds.visits import Content, Factor, HookSite, Received, Spot, Visit, location, op_name

_MOST_SITES = 256
_MOST_SITES_PER_LEAF = 4

Site = tuple[str, Place | None, Factor | HookSite | None]
"""A node's name, its line, and the factor that was zero, or the hook that returned zeros."""


@dataclass(slots=True)
class _Kept:
    saved: tuple[ValueStats, ...]
    backwards: int = 0
    leaves: dict[int, None] = field(default_factory=dict)


class ZeroFold:
    """Keeps the sites that still have a leaf which never got a non-zero gradient."""

    def __init__(self) -> None:
        self._sites: dict[Site, _Kept] = {}
        self._zero: dict[int, dict[Site, None]] = {}
        self._nonzero: set[int] = set()
        self.left_out = 0  # sites at further lines, once the table was full

    def __len__(self) -> int:
        return len(self._sites)

    def wants_look(self, spot: Spot) -> bool:
        """Whether statistics of this node's saved tensors would still be told."""
        return not any((node, place) == (spot.node, spot.place) for node, place, _ in self._sites)

    def undecided(self) -> bool:
        """Whether a leaf is still kept that a non-zero gradient would clear."""
        return bool(self._zero)

    def add(self, visits: Iterable[Visit], received: Mapping[int, Received]) -> None:
        """Folds in one backward: its visits in the order they ran, and what every leaf got."""
        zero = {index: got for index, got in received.items() if got.content is Content.ZERO}
        nonzero = {
            got.key for index, got in received.items() if index not in zero and isinstance(got.key, int)
        }
        self._clear(nonzero)
        if not zero:
            return
        arriving: dict[int, list[frozenset[Site]]] = {}
        seen: dict[Site, Visit] = {}
        for visit in visits:
            for target, sites in _zero_edges(visit, arriving.get(visit.index, ()), seen):
                arriving.setdefault(target, []).append(sites)
        reached: set[Site] = set()
        for index, got in zero.items():
            edges = arriving.get(index, [])
            if got.hook is not None:
                edges = [frozenset((_at_hook(got.hook),))] * max(got.edges, 1)
            if isinstance(got.key, int) and got.key not in self._nonzero and len(edges) >= got.edges:
                sites = frozenset[Site]().union(*edges)
                self._keep(got.key, sites, seen)
                reached |= sites
        for site in reached & self._sites.keys():
            self._sites[site].backwards += 1

    def _clear(self, nonzero: set[int]) -> None:
        self._nonzero |= nonzero
        for leaf in nonzero & self._zero.keys():
            for site in self._zero.pop(leaf):
                kept = self._sites[site]
                kept.leaves.pop(leaf, None)
                if not kept.leaves:
                    del self._sites[site]

    def _keep(self, leaf: int, sites: frozenset[Site], seen: Mapping[Site, Visit]) -> None:
        order = {site: number for number, site in enumerate(seen)}
        for site in sorted(sites, key=lambda one: order.get(one, len(order))):
            if site not in self._sites:
                if len(self._sites) >= _MOST_SITES:
                    self.left_out += 1
                    continue
                visit = seen.get(site)
                self._sites[site] = _Kept(visit.look.saved if visit and visit.look else ())
            known = self._zero.setdefault(leaf, {})
            if site in known or len(known) < _MOST_SITES_PER_LEAF:
                known[site] = None
                self._sites[site].leaves[leaf] = None
            elif not self._sites[site].leaves:
                del self._sites[site]

    def facts(self, leaf_name: Callable[[int], str]) -> tuple[ZeroedAt, ...]:
        """The sites in the order they were found. `leaf_name` names a leaf by its id.

        One line reached from several places is one site. In the first backward nobody knows yet which
        lines of the program are its training loop, so that its places have no caller.
        """
        alike: dict[ZeroedAt, list[tuple[Site, _Kept]]] = {}
        for site, kept in self._sites.items():
            if kept.leaves:
                alike.setdefault(_fact(site, leaf_name), []).append((site, kept))
        return tuple(_with_what_it_did(fact, sites, leaf_name) for fact, sites in alike.items())


def _with_what_it_did(
    fact: ZeroedAt, sites: list[tuple[Site, _Kept]], leaf_name: Callable[[int], str]
) -> ZeroedAt:
    leaves = (leaf_name(leaf) for _, kept in sites for leaf in kept.leaves)
    counts = [
        (place is not None and place.caller is not None, kept.backwards) for (_, place, _), kept in sites
    ]
    before = sum(count for has_caller, count in counts if not has_caller)
    return replace(
        fact,
        leaves=tuple(dict.fromkeys(leaves)),
        saved=next((kept.saved for _, kept in sites if kept.saved), ()),
        backwards=before + max((count for has_caller, count in counts if has_caller), default=0),
    )


def _fact(site: Site, leaf_name: Callable[[int], str]) -> ZeroedAt:
    node, place, factor = site
    name = hook = None
    if isinstance(factor, HookSite):
        hook, factor = factor.function, None
    if factor is not None:
        name = factor.name if factor.leaf is None else leaf_name(factor.leaf)
    return ZeroedAt(
        node=node,
        op=op_name(node),
        location=location(place),
        leaves=(),
        saved=(),
        backwards=0,
        factor=name,
        factor_is_leaf=factor is not None and factor.leaf is not None,
        constant_factor=factor is not None and factor.is_number,
        hook=hook,
    )


def _at_hook(hook: HookSite) -> Site:
    return ("hook", hook.place, hook)


def _zero_edges(
    visit: Visit,
    arriving: Iterable[frozenset[Site]],
    seen: dict[Site, Visit],
) -> Iterator[tuple[int, frozenset[Site]]]:
    """The edges of a visit that gave zeros, each with the sites those zeros come from."""
    passing = frozenset[Site]().union(*arriving) if visit.incoming is Content.ZERO else None
    hook = visit.hook_before if passing is not None else visit.hook_after
    if hook is not None:
        passing = frozenset((_at_hook(hook),))
    cancels = visit.cancels or (False,) * len(visit.outgoing)
    whole = all(
        given is Content.ZERO or summed
        for given, summed in zip(visit.outgoing, cancels, strict=True)
        if given is not None
    )
    for edge, (target, given) in enumerate(zip(visit.targets, visit.outgoing, strict=True)):
        if given is not Content.ZERO or target is None:
            continue
        if passing is not None:
            sites = passing
        else:
            factor = visit.factors[edge] if visit.factors else None
            if factor is None and (cancels[edge] or not whole):
                continue
            site = (visit.spot.node, visit.spot.place, factor)
            seen.setdefault(site, visit)
            sites = frozenset((site,))
        yield target, sites
