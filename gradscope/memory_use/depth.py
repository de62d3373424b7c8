"""The repeated part of a model, made shorter or longer for a while: deep copies of its last repetition."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

from torch import nn

from gradscope.errors import UsageError
from gradscope.memory_use.agreed import BlockModule

_COUNTS: Final = re.compile(r"layer|block|depth", re.IGNORECASE)
_CONFIGS: Final = ("config", "cfg", "args", "hparams")


@dataclass(frozen=True, slots=True)
class Repeated:
    """Children of `container`, a ModuleList or Sequential of `root`: `count` times `period` of the same kind.

    They begin at child number `start`, and `behind` children follow them. `owners` are the modules from the
    root down to the container.
    """

    root: int
    container: nn.Module
    owners: tuple[nn.Module, ...]
    start: int
    period: int
    count: int
    behind: int

    def units(self) -> list[list[nn.Module]]:
        """The modules of every repetition."""
        children = list(self.container.children())
        firsts = range(self.start, self.start + self.period * self.count, self.period)
        return [children[at : at + self.period] for at in firsts]

    def modules(self) -> Iterator[nn.Module]:
        """All modules of all repetitions, those inside others included."""
        return (each for unit in self.units() for part in unit for each in part.modules())

    def firsts(self) -> list[nn.Module]:
        """The first module of every repetition that there is now, when the depth may be another."""
        children = list(self.container.children())
        return children[self.start : len(children) - self.behind : self.period]


def find_repeated(roots: Sequence[nn.Module], blocks: Sequence[BlockModule]) -> Repeated:
    """The container that repeats the most blocks; UsageError where blocks are in none."""
    modules = {id(block.module) for block in blocks}
    found = [repeated for number, root in enumerate(roots) for repeated in _in_root(number, root)]
    holding = [sum(id(each) in modules for each in repeated.modules()) for repeated in found]
    most = max(holding, default=0)
    if not most:
        raise UsageError(
            "--sweep depth: no repeated block stands in an nn.ModuleList or nn.Sequential",
            try_next="--sweep batch, --sweep seq, or name the blocks with --blocks",
        )
    return found[holding.index(most)]


def _in_root(number: int, root: nn.Module) -> Iterator[Repeated]:
    for path, module in root.named_modules():
        if isinstance(module, nn.ModuleList | nn.Sequential) and len(module) > 1:
            names = path.split(".") if path else []
            owners = tuple(root.get_submodule(".".join(names[:depth])) for depth in range(len(names) + 1))
            start, period, count = _run([_signature(each) for each in module])
            if count > 1:
                behind = len(module) - start - period * count
                yield Repeated(number, module, owners, start, period, count, behind)


def _signature(module: nn.Module) -> tuple[Any, ...]:
    parts = tuple(type(each) for each in module.modules())
    return (parts, tuple((name, tuple(each.shape)) for name, each in module.named_parameters()))


def _run(kinds: list[tuple[Any, ...]]) -> tuple[int, int, int]:
    """(start, period, count) of the repetition that covers the most children, the shortest period first."""
    best = (0, 1, 1)
    for period in range(1, len(kinds) // 2 + 1):
        start = 0
        while start + period <= len(kinds):
            count = 1
            while _same(kinds, start, start + count * period, period):
                count += 1
            if count > 1 and count * period > best[1] * best[2]:
                best = (start, period, count)
            start += 1 if count == 1 else count * period
    return best


def _same(kinds: list[tuple[Any, ...]], first: int, other: int, period: int) -> bool:
    return kinds[first : first + period] == kinds[other : other + period]


@contextmanager
def at_depth(repeated: Repeated, blocks: Sequence[BlockModule], depth: int) -> Iterator[list[BlockModule]]:
    """Inside it the container repeats `depth` times; comes out with the blocks that the model has then.

    Numbers of layers that the modules above it, or their configuration, keep under a name like
    "num_layers" are changed with it. What a block shares with the rest of the model its copies share too.
    """
    table = repeated.container._modules
    before = dict(table)
    units = repeated.units()
    copies = [_copied(units[-1], repeated) for _ in range(depth - len(units))]
    end = repeated.start + repeated.period * repeated.count
    children = list(repeated.container.children())
    kept = [*units[:depth], *(copied for copied, _ in copies)]
    now = [*children[: repeated.start], *(each for unit in kept for each in unit), *children[end:]]
    try:
        table.clear()
        table.update({str(number): each for number, each in enumerate(now)})
        with _counts(repeated, depth):
            yield _blocks(blocks, [each for unit in units[depth:] for each in unit], copies)
    finally:
        table.clear()
        table.update(before)


_Copied = tuple[list[nn.Module], dict[int, nn.Module]]


def _copied(unit: list[nn.Module], repeated: Repeated) -> _Copied:
    """A copy of a repetition, and by the id of each module in it the module that stands for it."""
    inside = {id(each) for part in unit for each in part.modules()}
    outside = [each for each in repeated.owners[0].modules() if id(each) not in inside]
    memo: dict[int, Any] = {
        id(tensor): tensor
        for module in outside
        for tensor in (*module._parameters.values(), *module._buffers.values())
        if tensor is not None
    }
    made = [copy.deepcopy(part, memo) for part in unit]
    stands_for = {
        id(old): new
        for part, copied in zip(unit, made, strict=True)
        for old, new in zip(part.modules(), copied.modules(), strict=True)
    }
    return made, stands_for


def _blocks(
    blocks: Sequence[BlockModule], removed: Sequence[nn.Module], copies: Sequence[_Copied]
) -> list[BlockModule]:
    gone = {id(each) for part in removed for each in part.modules()}
    found = [block for block in blocks if id(block.module) not in gone]
    for _, stands_for in copies:
        found += [
            replace(block, module=stands_for[id(block.module)])
            for block in blocks
            if id(block.module) in stands_for
        ]
    return found


@contextmanager
def _counts(repeated: Repeated, depth: int) -> Iterator[None]:
    """Changes what counts the repetitions: "num_layers" of a module above them, or of its configuration."""
    holders = [vars(owner) for owner in repeated.owners]
    configs = {id(config): config for holder in holders for config in _configs(holder)}
    holders += [vars(config) for config in configs.values()]
    changed: list[tuple[dict[str, Any], str, Any]] = []
    try:
        for holder in holders:
            for name, value in list(holder.items()):
                new = _adapted(value, repeated.count, depth) if _COUNTS.search(name) else None
                if new is not None:
                    changed.append((holder, name, value))
                    holder[name] = new
        yield
    finally:
        for holder, name, value in reversed(changed):
            holder[name] = value


def _configs(holder: dict[str, Any]) -> list[Any]:
    found = (holder.get(name) for name in _CONFIGS)
    return [each for each in found if hasattr(each, "__dict__") and not isinstance(each, nn.Module | type)]


def _adapted(value: Any, count: int, depth: int) -> Any:
    """The number of layers, or a list with one entry for each; None for what is neither."""
    if type(value) is int and value == count:
        return depth
    if type(value) is list and len(value) == count:
        return [value[min(number, count - 1)] for number in range(depth)]
    return None
