"""Which rows of the module tree to show, so that it fits on a screen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from gradscope.reporters.screen.branches import Branch

_MOST_BARS: Final = 12


@dataclass(frozen=True)
class TreeRow:
    """One row: a branch at a depth; `bar_of` is the run it belongs to where it is one of a run's bars.

    `is_open` says that rows of what is below follow.
    """

    branch: Branch
    depth: int
    is_open: bool = False
    bar_of: Branch | None = None


def unfold(roots: Sequence[Branch], limit: int) -> list[TreeRow]:
    """The rows to show, at most `limit` where the roots alone do not take more.

    If everything fits, everything is shown. A branch that is frozen or without gradient as a whole stays
    closed. Otherwise the tree is opened level by level as long as a
    whole level fits, runs of like blocks as bars; room that is left goes to branches in trouble.
    """
    if sum(1 + root.size for root in roots) <= limit:
        return [row for root in roots for row in _everything(root, 0)]
    return [row for root in roots for row in _rows(root, 0, _opened(roots, limit))]


def _everything(branch: Branch, depth: int) -> Iterator[TreeRow]:
    is_open = branch.size > 0
    if not (branch.loose_run and is_open):
        yield TreeRow(replace(branch, is_run=False) if is_open else branch, depth, is_open)
        depth += 1
    for child in branch.children if is_open else ():
        yield from _everything(child, depth)


def _opened(roots: Sequence[Branch], limit: int) -> set[int]:
    opened: set[int] = set()
    used = len(roots)
    level = [root for root in roots if root.called or root.totals.reached]
    while candidates := [branch for branch in level if branch.size]:
        cost = sum(map(_cost, candidates))
        if used + cost > limit:
            _open_some(candidates, limit - used, opened)
            break
        opened.update(map(id, candidates))
        used += cost
        level = [child for branch in candidates if not branch.is_run for child in branch.children]
    return opened


def _open_some(candidates: Sequence[Branch], room: int, opened: set[int]) -> None:
    """Opens the runs, then what is in trouble, as far as there is room."""
    for branch in (*filter(_is_run, candidates), *filter(_is_troubled, candidates)):
        if _cost(branch) <= room:
            room -= _cost(branch)
            opened.add(id(branch))


def _is_run(branch: Branch) -> bool:
    return branch.is_run


def _is_troubled(branch: Branch) -> bool:
    return branch.totals.troubled and not branch.is_run


def _cost(branch: Branch) -> int:
    return min(len(branch.children), _MOST_BARS) if branch.is_run else len(branch.children)


def _rows(branch: Branch, depth: int, opened: set[int]) -> Iterator[TreeRow]:
    is_open = id(branch) in opened
    yield TreeRow(branch, depth, is_open)
    if not is_open:
        return
    if branch.is_run:
        yield from (TreeRow(block, depth + 1, bar_of=branch) for block in _sample(branch.children))
        return
    for child in branch.children:
        yield from _rows(child, depth + 1, opened)


def _sample(blocks: Sequence[Branch]) -> list[Branch]:
    """At most twelve blocks, evenly spread, the first and the last among them."""
    if len(blocks) <= _MOST_BARS:
        return list(blocks)
    last = len(blocks) - 1
    return [blocks[round(index * last / (_MOST_BARS - 1))] for index in range(_MOST_BARS)]
