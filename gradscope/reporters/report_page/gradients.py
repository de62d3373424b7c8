"""The module tree with the gradients of its parameters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from gradscope.facts import Leaf, Recording
from gradscope.reporters.report_page.shapes import Node, Tree
from gradscope.reporters.report_page.texts import place_text, tone_of
from gradscope.reporters.screen.bars import Bars
from gradscope.reporters.screen.branches import Branch, branches
from gradscope.reporters.screen.page import Page
from gradscope.reporters.screen.tree import branch_remark
from gradscope.reporters.screen.words import percent, plural, scientific, shape_text, short_count

_HEADS = ("|grad|", "at last", "max", "zero")


def tree_of(recording: Recording, page: Page, *, values: bool) -> Tree | None:
    """All modules and parameters in the order of their registration, then the leaves that are in none.

    None where there are no leaves. Norms are 2-norms, as on the screen; with `values` False there are none.
    """
    owned = [leaf for leaf in recording.leaves if leaf.root is not None]
    loose = [leaf for leaf in recording.leaves if leaf.root is None]
    roots = [*branches(owned, recording.modules), *_loose(loose, alone=not owned)]
    if not roots:
        return None
    norms = [each.totals.norm for each in _all(roots)]
    bars = Bars(norms)
    is_drawn = values and sum(bars.length(norm) > 0 for norm in norms) > 1
    moved = any(leaf.gradient and leaf.gradient.backwards > 1 for leaf in recording.leaves)
    told = _Telling(recording, page, bars if is_drawn else Bars(()), values=values, moved=moved)
    heads = _HEADS if moved else tuple(head for head in _HEADS if head != "at last")
    return Tree(
        heads=heads if values else (),
        roots=[told.node(each) for each in roots],
        scale=f"bars are on a {'log' if bars.is_log else 'linear'} scale" if is_drawn else "",
    )


def _loose(leaves: Sequence[Leaf], *, alone: bool) -> Iterator[Branch]:
    rows = tuple(Branch(leaf.name, leaf=leaf) for leaf in leaves)
    if alone or not rows:
        yield from rows
    else:
        yield Branch("in no module", children=rows)


def _all(roots: Iterable[Branch]) -> Iterator[Branch]:
    for root in roots:
        yield root
        yield from _all(root.children)


class _Telling:
    """Makes the rows of one tree."""

    def __init__(self, recording: Recording, page: Page, bars: Bars, *, values: bool, moved: bool) -> None:
        self._recording, self._page, self._bars = recording, page, bars
        self._values, self._moved = values, moved

    def node(self, branch: Branch) -> Node:
        """A module or parameter with what is below it."""
        sums = branch.totals
        remark, style = branch_remark(branch, sums, is_open=False)
        shown = self._values and sums.reached > 0
        return Node(
            name=self._page.text(branch.name),
            kind=self._page.text(_kind(branch)),
            size=short_count(sums.numel),
            numbers=self._numbers(branch) if shown else (),
            bar=round(self._bars.length(sums.norm), 4) if shown else 0,
            remark=remark,
            tone=tone_of(style) if remark else "",
            hint=self._page.text(self._hint(branch)),
            below=[self.node(child) for child in branch.children],
        )

    def _numbers(self, branch: Branch) -> tuple[str, ...]:
        sums = branch.totals
        last = (scientific(sums.last_norm),) if self._moved else ()
        return (scientific(sums.norm), *last, scientific(sums.max_abs), percent(sums.zero_share))

    def _hint(self, branch: Branch) -> str:
        leaf = branch.leaf
        if leaf is None:
            return f"{plural(len(branch.leaves), 'tensor')}, {plural(branch.totals.numel, 'element')}"
        parts = [f"{leaf.dtype} on {leaf.device}", plural(leaf.numel, "element")]
        if leaf.gradient is not None and leaf.gradient.backwards > 1:
            parts.append(f"a gradient in {leaf.gradient.backwards:,} backwards")
        optimizers = self._recording.optimizers
        owners = [optimizers[index].class_name for index in leaf.optimizers if index < len(optimizers)]
        parts += [f"in {', '.join(owners)}"] if owners else []
        parts += [f"registered at {place_text(leaf.registered_at, self._page)}"] if leaf.registered_at else []
        return ", ".join(parts)


def _kind(branch: Branch) -> str:
    if branch.leaf is not None:
        return shape_text(branch.leaf.shape)
    if branch.is_run:
        return f"{len(branch.children)} x {branch.class_name}"
    return "" if branch.class_name in branch.name else branch.class_name
