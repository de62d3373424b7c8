"""Expressions that find modules by their paths: equal runs are folded to one."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from keyword import iskeyword

from torch import nn

from gradscope.memory_use.agreed import BLOCK, NONE, SELECTIVE, BlockModule


@dataclass(frozen=True, slots=True)
class _Place:
    """A module as an expression: `before[index]after`, or `before` alone where no list is on the way."""

    before: str
    index: int | None = None
    after: str = ""
    length: int = 0  # of the list


def selectors(roots: Sequence[tuple[str, nn.Module]], chosen: Sequence[tuple[BlockModule, str]]) -> list[str]:
    """Items for a tuple of modules: "model.inc", "*model.downs", "*(model.h[i].attn for i in (0, 2))".

    `roots` are the roots of the work, each with an expression for it; `chosen` are blocks with the option
    that was chosen for each.
    """
    runs: dict[tuple[str, str, int], list[int]] = defaultdict(list)
    found: list[tuple[str, str, int] | str] = []
    for block, option in chosen:
        inside = "" if option in (NONE, BLOCK, SELECTIVE) else option
        place = _place(*roots[block.root], block.path, inside)
        if place.index is None:
            found.append(place.before)
            continue
        run = (place.before, place.after, place.length)
        if run not in runs:
            found.append(run)
        runs[run].append(place.index)
    return [each if isinstance(each, str) else _run(*each, sorted(runs[each])) for each in found]


def _run(before: str, after: str, length: int, numbers: list[int]) -> str:
    if len(numbers) == 1:
        return f"{before}[{numbers[0]}]{after}"
    first, last = numbers[0], numbers[-1]
    is_unbroken = numbers == list(range(first, last + 1))
    if not after and is_unbroken:
        begin, end = first or "", "" if last == length - 1 else last + 1  # of a slice
        return f"*{before}" if len(numbers) == length else f"*{before}[{begin}:{end}]"
    over = f"range({first}, {last + 1})" if first else f"range({last + 1})"
    over = over if is_unbroken else f"({', '.join(map(str, numbers))})"
    return f"*({before}[i]{after} for i in {over})"


def _place(name: str, root: nn.Module, path: str, inside: str) -> _Place:
    """Where the module is that is `inside` the one at `path`. The last list on the way to that is folded."""
    way = _way(root, path)
    below = _way(way[-1].module if way else root, inside)
    lists = [number for number, step in enumerate(way) if step.length]
    if not lists:
        return _Place(name + _joined([*way, *below]))
    split = lists[-1]
    return _Place(
        before=name + _joined(way[:split]),
        index=int(way[split].key),
        after=_joined([*way[split + 1 :], *below]),
        length=way[split].length,
    )


@dataclass(frozen=True, slots=True)
class _Step:
    """From a module to the one that it has as `key`; `length` is that of a list that is indexed, else 0."""

    key: str
    text: str
    module: nn.Module
    length: int = 0


def _way(module: nn.Module, path: str) -> list[_Step]:
    steps: list[_Step] = []
    for key in path.split(".") if path else ():
        inside = module.get_submodule(key)
        if isinstance(module, (nn.ModuleList, nn.Sequential)) and list(module._modules) == _counted(module):
            steps.append(_Step(key, f"[{key}]", inside, len(module)))
        elif isinstance(module, nn.ModuleDict):
            steps.append(_Step(key, f"[{json.dumps(key)}]", inside))
        elif key.isidentifier() and not iskeyword(key):
            steps.append(_Step(key, f".{key}", inside))
        else:
            steps.append(_Step(key, f".get_submodule({json.dumps(key)})", inside))
        module = inside
    return steps


def _counted(module: nn.Module) -> list[str]:
    """The keys that the modules of a list have: "0", "1" ... in order."""
    return [str(number) for number in range(len(module._modules))]


def _joined(steps: Sequence[_Step]) -> str:
    return "".join(step.text for step in steps)
