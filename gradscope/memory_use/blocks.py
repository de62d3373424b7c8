"""Which modules can be checkpointed: those that repeat, or those that are named."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from itertools import pairwise
from typing import Final

import torch
from torch import nn
from torch.autograd.graph import Node

from gradscope.errors import UsageError, closest
from gradscope.loader.work import Work
from gradscope.memory_use.agreed import BLOCK, NONE, SELECTIVE, BlockModule, Choices
from gradscope.memory_use.calls import Called, watch_forward

FEW: Final = 6
"""Fewer blocks than these are looked into for smaller ones that follow each other."""

MOST: Final = 0.6
"""The share of a module's saved bytes from which on the blocks inside it stand for it."""

COVERED: Final = 0.5
"""The share of the forward's saved bytes below which layers without parts are taken as blocks too."""

MATTERS: Final = 0.02
"""Blocks of a class that save less than this share of the forward's bytes are not worth a choice."""

LAYER_MATTERS: Final = 0.1
"""The same for layers without parts."""

PART: Final = 0.1
"""The share of a block's bytes that a part must be able to free to be a choice of its own."""

WHOLE: Final = 0.95
"""A part that saves more than this share of its block is no other choice than the block."""

PARTS: Final = 4


def find_blocks(work: Work, patterns: Sequence[str] = ()) -> tuple[BlockModule, ...]:
    """The modules to checkpoint, in the order of their first call; those that were not called come last.

    Without `patterns` the outermost modules that repeat: of a class with several instances, or called
    several times. A pattern is a shell's, over paths below the roots ("h.*"); where it matches nothing it
    may begin inside a path. UsageError for one that matches no module.
    """
    called = watch_forward(work)
    chosen = _named(called, patterns) if patterns else _repeated(called)
    chosen.sort(key=lambda each: (each.first < 0, each.first))
    by_module = {id(each.module): each for each in called}
    return tuple(_block(each, by_module) for each in chosen)


# ------------------------------------------------------------ named ones


def _named(called: list[Called], patterns: Sequence[str]) -> list[Called]:
    below = [each for each in called if each.path]
    matching: list[Called] = []
    for pattern in patterns:
        found = [each for each in below if fnmatchcase(each.path, pattern)]
        found = found or [each for each in below if fnmatchcase(each.path, f"*.{pattern}")]
        if not found:
            raise _no_match(pattern, below)
        matching += [each for each in found if each.calls] or found
    return [each for each in _unique(matching) if not _is_inside(each, matching)]


def _no_match(pattern: str, below: list[Called]) -> UsageError:
    groups = Counter(_numbered(each.path) for each in below)
    repeated = [group for group, _ in groups.most_common() if group.endswith("*")]
    tries = [f"--blocks '{group}'" for group in dict.fromkeys([*closest(pattern, groups), *repeated])]
    return UsageError(f"--blocks '{pattern}' matches no module", try_next=tries[:3])


def _numbered(path: str) -> str:
    """The path with its last number as a star: "h.3" is one of "h.*"."""
    head, dot, last = path.rpartition(".")
    return f"{head}{dot}*" if last.isdigit() else path


def _unique(found: Iterable[Called]) -> list[Called]:
    return list({id(each.module): each for each in found}.values())


def _is_inside(each: Called, others: list[Called]) -> bool:
    return any(other.root == each.root and each.path.startswith(f"{other.path}.") for other in others)


# ------------------------------------------------------------ repeated ones


def _repeated(called: list[Called]) -> list[Called]:
    tree = _Tree(called)
    total = sum(each.saved for each in called if not each.path)
    chosen = tree.blocks()
    chosen = _that_matter(chosen, MATTERS * total)
    is_enough = sum(each.saved for each in chosen) >= COVERED * total
    if not is_enough and not any(each.is_checkpointed for each in chosen):
        layers = tree.outermost(frozenset(), layers=True)
        gaining = [each for each in layers if each.gain > 0]
        return _that_matter(gaining, LAYER_MATTERS * total) or _that_matter(layers, LAYER_MATTERS * total)
    return chosen


def _that_matter(chosen: list[Called], least: float) -> list[Called]:
    """Those of the classes that keep at least so many bytes together."""
    by_class: dict[type, int] = defaultdict(int)
    for each in chosen:
        by_class[type(each.module)] += each.keeps
    return [each for each in chosen if by_class[type(each.module)] >= least or each.is_checkpointed]


class _Tree:
    """The called modules by the module that they are registered in."""

    def __init__(self, called: list[Called]) -> None:
        self._roots = [each for each in called if not each.path]
        by_path = {(each.root, each.path): each for each in called}
        self._children: dict[int, list[Called]] = defaultdict(list)
        self._listed: set[int] = set()
        for each in called:
            if each.path:
                parent = by_path.get((each.root, each.path.rpartition(".")[0]))
                if parent is not None:
                    self._children[id(parent)].append(each)
                    if isinstance(parent.module, (nn.ModuleList, nn.Sequential)):
                        self._listed.add(id(each))
        self._parts = {id(each): bool(self._called_below(each)) for each in called}
        self._times = self._repetitions(called)

    def _called_below(self, each: Called) -> list[Called]:
        found: list[Called] = []
        for child in self._children[id(each)]:
            found += [child] if child.calls else self._called_below(child)
        return found

    def _repetitions(self, called: list[Called]) -> Counter[type]:
        """By class, how often one of it is called that is not inside another one of it."""
        times: Counter[type] = Counter()

        def count(each: Called, around: frozenset[type]) -> None:
            kind = type(each.module)
            if each.path and each.calls and kind not in around:
                times[kind] += each.calls
            for child in self._children[id(each)]:
                if isinstance(each.module, nn.ModuleList) and child.calls:
                    times[type(child.module)] += 1  # a list of modules says that they are alike
                count(child, around | {kind} if each.path else around)

        for root in self._roots:
            count(root, frozenset())
        return times

    def blocks(self) -> list[Called]:
        """The outermost modules that repeat; where they are few, the ones inside that they are made of."""
        look_into: frozenset[type] = frozenset({nn.Sequential})
        chosen = self.outermost(look_into)
        while len(chosen) < FEW:
            look_into |= {type(each.module) for each in chosen}
            smaller = self.outermost(look_into)
            if len(smaller) <= len(chosen):
                break
            chosen = smaller
        return chosen

    def outermost(self, look_into: frozenset[type], *, layers: bool = False) -> list[Called]:
        """The outermost modules that repeat.

        One of the classes `look_into` gives way to those inside it that follow each other and save most of
        what it saves. With `layers`, modules without parts count too.
        """
        return [found for root in self._roots for found in self._below(root, look_into, layers)]

    def _below(self, each: Called, look_into: frozenset[type], layers: bool) -> list[Called]:
        inside = [
            found for child in self._children[id(each)] for found in self._below(child, look_into, layers)
        ]
        repeats = self._times[type(each.module)] > 1 and each.calls and (each.keeps or each.is_checkpointed)
        if not each.path or not repeats or not (self._parts[id(each)] or layers):
            return inside
        if type(each.module) in look_into and self._stand_for(inside, each):
            return inside
        return [each]

    def _stand_for(self, inside: list[Called], whole: Called) -> bool:
        """Whether modules of a list save most of what the one around them does, and each needs the last."""
        with_parts = [each for each in inside if self._parts[id(each)]]
        if not with_parts or sum(each.saved for each in with_parts) < MOST * whole.saved:
            return False
        if len(with_parts) == 1:
            return type(whole.module) is nn.Sequential
        kinds = Counter(type(each.module) for each in with_parts if id(each) in self._listed)
        ordered = sorted(with_parts, key=lambda each: each.first)
        return max(kinds.values(), default=0) > 1 and all(
            _follows(after, before) for before, after in pairwise(ordered)
        )


def _follows(after: Called, before: Called) -> bool:
    """Whether an input of `after` was made from an output of `before`."""
    goal = set(before.after)
    oldest = min((node._sequence_nr() for node in goal), default=0)
    seen: set[Node] = set()
    waiting = list(after.before)
    while waiting:
        node = waiting.pop()
        if node in goal:
            return True
        if node in seen or node._sequence_nr() < oldest:
            continue
        seen.add(node)
        waiting += [each for each, _ in node.next_functions if each is not None]
    return False


# ------------------------------------------------------------ what can be chosen for one


def _block(each: Called, by_module: dict[int, Called]) -> BlockModule:
    by_path = {(other.root, other.path): other for other in by_module.values()}
    reason = _reason(each, by_path)
    kept = tuple(name for name, is_kept in each.products.items() if is_kept)
    return BlockModule(
        root=each.root,
        path=each.path,
        module=each.module,
        options=(NONE,) if reason else _options(each, by_module, selective=bool(kept)),
        reason=reason,
        calls=each.calls,
        saved=each.saved,
        changes=each.changes,
        products=kept,
    )


def _is_compiled(each: Called, by_path: dict[tuple[int, str], Called]) -> bool:
    """Whether a module around it was compiled, or it was itself, in place."""
    path = each.path
    while each.module._compiled_call_impl is None:
        if not path:
            return False
        path = path.rpartition(".")[0]
        each = by_path.get((each.root, path), each)
        if type(each.module).__name__ == "OptimizedModule":
            return True
    return True


def _reason(each: Called, by_path: dict[tuple[int, str], Called]) -> str | None:
    if isinstance(each.module, torch.jit.ScriptModule):
        return "it is a ScriptModule, whose forward cannot be replaced"
    if not each.calls and isinstance(each.module, (nn.ModuleList, nn.ModuleDict)):
        return f"it only holds modules and has no forward: name those in it, --blocks '{each.path}.*'"
    if not each.calls:
        return "its forward is not called"
    if each.is_checkpointed:
        return "the program checkpoints it already"
    if _is_compiled(each, by_path):
        return "it is part of a compiled graph: checkpoint it before torch.compile"
    if not each.keeps:
        return "its forward saves nothing for the backward"
    if each.draws:
        return f"its forward draws from {each.draws[0]}, and a checkpoint does not rewind that"
    return None


def _options(each: Called, by_module: dict[int, Called], *, selective: bool) -> Choices:
    parts = [
        (path, part)
        for path, part in _direct(each.module)
        if (found := by_module.get(id(part))) is not None
        and found.gain >= PART * each.saved
        and found.saved <= WHOLE * each.saved
    ]
    parts.sort(key=lambda found: -by_module[id(found[1])].gain)
    chosen = {path for path, _ in parts[:PARTS]}
    ordered = [path for path, _ in _direct(each.module) if path in chosen]
    return (NONE, BLOCK, *((SELECTIVE,) if selective else ()), *ordered)


def _direct(module: nn.Module, above: str = "") -> list[tuple[str, nn.Module]]:
    """The parts of a module; what only holds modules is looked through."""
    found: list[tuple[str, nn.Module]] = []
    for name, child in module.named_children():
        if isinstance(child, (nn.ModuleList, nn.ModuleDict)):
            found += _direct(child, f"{above}{name}.")
        else:
            found.append((f"{above}{name}", child))
    return found
