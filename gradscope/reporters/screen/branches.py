"""The module tree as data: which parameters lie below each module, and what their gradients add up to."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby
from typing import Final

from gradscope.facts import Leaf, ModuleFact

_FEWEST_BLOCKS: Final = 3  # as many siblings of one class make a run


@dataclass(frozen=True)
class Totals:
    """What the gradients of some leaves add up to, each in the first backward that reached it.

    `norm` and `last_norm` are 2-norms over all of them, `zero_share` is by element; `missing` counts the
    leaves that require a gradient and got none, `frozen` those that require none.
    """

    numel: int
    norm: float
    last_norm: float
    max_abs: float
    zero_share: float
    nan: int
    inf: int
    reached: int
    missing: int
    frozen: int
    always_zero: bool

    @property
    def uniform(self) -> bool:
        """Whether one word says it all: every leaf frozen, without gradient, or with one that is zero."""
        if self.reached:
            return self.always_zero and not (self.missing or self.frozen)
        return not (self.missing and self.frozen)

    @property
    def troubled(self) -> bool:
        """Whether something here deserves a look: NaN, Inf, or only some of the gradients."""
        return bool(self.nan or self.inf or (self.missing and self.reached))


def totals(leaves: Iterable[Leaf]) -> Totals:
    """Adds up the gradients of `leaves`."""
    everything = list(leaves)
    got = [(leaf, leaf.gradient) for leaf in everything if leaf.gradient and leaf.gradient.backwards]
    elements = sum(leaf.numel for leaf, _ in got)
    stats = [gradient for _, gradient in got]
    return Totals(
        numel=sum(leaf.numel for leaf in everything),
        norm=_norm([s.norm for s in stats]),
        last_norm=_norm([s.last_norm for s in stats]),
        max_abs=_largest([s.max_abs for s in stats]),
        zero_share=sum(s.zero_share * leaf.numel for leaf, s in got) / elements if elements else 0.0,
        nan=sum(s.nan for s in stats),
        inf=sum(s.inf for s in stats),
        reached=len(got),
        missing=sum(leaf.requires_grad for leaf in everything) - sum(leaf.requires_grad for leaf, _ in got),
        frozen=sum(not leaf.requires_grad for leaf in everything),
        always_zero=bool(stats) and all(s.zero_backwards == s.backwards for s in stats),
    )


def _norm(values: Sequence[float]) -> float:
    return math.nan if any(map(math.isnan, values)) else math.hypot(*values)


def _largest(values: Sequence[float]) -> float:
    return math.nan if any(map(math.isnan, values)) else max(values, default=0.0)


@dataclass(frozen=True)
class Branch:
    """A module with the parameters below it, a single parameter (`leaf`), or a run of like siblings.

    A run that is all its module holds bears the module's name; a `loose_run` is a part of its module and
    bears its first and last numbers.
    """

    name: str
    class_name: str = ""
    children: tuple[Branch, ...] = ()
    leaf: Leaf | None = None
    is_run: bool = False
    loose_run: bool = False
    called: bool = True

    @cached_property
    def leaves(self) -> tuple[Leaf, ...]:
        """All leaves below, in registration order."""
        if self.leaf is not None:
            return (self.leaf,)
        return tuple(leaf for child in self.children for leaf in child.leaves)

    @cached_property
    def totals(self) -> Totals:
        """What the gradients below add up to."""
        return totals(self.leaves)

    @cached_property
    def size(self) -> int:
        """How many rows it takes to show all that is worth showing below; a loose run needs no row itself."""
        if self.totals.uniform:
            return 0
        return sum(child.size + (not child.loose_run or not child.size) for child in self.children)


def branches(leaves: Sequence[Leaf], modules: Sequence[ModuleFact]) -> tuple[Branch, ...]:
    """One branch for each root module that owns a leaf, in the order of their registration.

    A module with a single child takes it into its own name (`module.encoder`), one whose only content
    is one parameter becomes that parameter's row, and three or more neighbours of one class that have
    numbers for names become a run.
    """
    facts = {(fact.root, fact.path): fact for fact in modules}
    owned: dict[str, list[Leaf]] = {fact.root: [] for fact in modules}
    for leaf in leaves:
        if leaf.root is not None:
            owned.setdefault(leaf.root, []).append(leaf)
    return tuple(_root(root, own, facts) for root, own in owned.items() if own)


_Facts = dict[tuple[str, str], ModuleFact]


def _root(root: str, leaves: Sequence[Leaf], facts: _Facts) -> Branch:
    fact = facts.get((root, ""))
    branch = _named(root, fact, _children(root, (), leaves, facts))
    titled = fact is not None and root != fact.class_name and branch.name == root
    name = f"{root} ({fact.class_name})" if titled and fact else branch.name
    return replace(branch, name=name, called=any(leaf.root_called for leaf in leaves))


def _parts(leaf: Leaf) -> tuple[str, ...]:
    module = tuple(leaf.module.split(".")) if leaf.module else ()
    return (*module, leaf.name.rpartition(".")[2])


def _children(root: str, path: tuple[str, ...], leaves: Sequence[Leaf], facts: _Facts) -> tuple[Branch, ...]:
    depth = len(path)
    found: list[Branch | str] = []
    below: dict[str, list[Leaf]] = {}
    for leaf in leaves:
        parts = _parts(leaf)
        if len(parts) == depth + 1:
            found.append(Branch(parts[depth], leaf=leaf))
            continue
        if parts[depth] not in below:
            found.append(parts[depth])
        below.setdefault(parts[depth], []).append(leaf)
    return _runs(
        [
            entry if isinstance(entry, Branch) else _module(root, (*path, entry), below[entry], facts)
            for entry in found
        ]
    )


def _module(root: str, path: tuple[str, ...], leaves: Sequence[Leaf], facts: _Facts) -> Branch:
    return _named(path[-1], facts.get((root, ".".join(path))), _children(root, path, leaves, facts))


def _named(name: str, fact: ModuleFact | None, children: tuple[Branch, ...]) -> Branch:
    """A branch of that name; an only child is taken into it."""
    if len(children) > 1:
        return Branch(name, fact.class_name if fact else "", children)
    only = children[0]
    return replace(only, name=name if only.loose_run else f"{name}.{only.name}", loose_run=False)


def _runs(siblings: Sequence[Branch]) -> tuple[Branch, ...]:
    """The siblings, each three or more like neighbours with numbers for names gathered into one run."""
    gathered: list[Branch] = []
    for key, group in groupby(siblings, key=_likeness):
        members = tuple(group)
        if key and len(members) >= _FEWEST_BLOCKS:
            gathered.append(_run(members, key))
        else:
            gathered.extend(members)
    return tuple(gathered)


def _likeness(branch: Branch) -> str:
    return branch.class_name if branch.name.isdecimal() and branch.children else ""


def _run(members: tuple[Branch, ...], class_name: str) -> Branch:
    return Branch(f"{members[0].name}-{members[-1].name}", class_name, members, is_run=True, loose_run=True)
