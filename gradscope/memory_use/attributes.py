"""What modules keep as attributes and a step may change: counters, flags, generators of their own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import nn

from gradscope.loader.work import Work

_PLAIN = (int, float, complex, str, bytes, bool, type(None))


class PlainAttributes:
    """Numbers, texts, tuples of them and generators as they are when it is made; nn.Module's own apart."""

    def __init__(self, work: Work) -> None:
        self._modules = [module for root in work.roots for module in root.modules()]
        self._then = [_plain(module) for module in self._modules]
        self._generators = [(each, each.get_state()) for _, each in generators_of(self._modules)]

    def put_back(self) -> None:
        """Gives every module the values of then."""
        for generator, state in self._generators:
            generator.set_state(state)
        for module, then in zip(self._modules, self._then, strict=True):
            now = _plain(module)
            for name in now.keys() | then.keys():
                if name not in then:
                    del vars(module)[name]
                elif name not in now or now[name] is not then[name]:
                    vars(module)[name] = then[name]

    def changed(self, inside: nn.Module) -> list[str]:
        """Where modules inside a module have other values now: "count", "gate.count"."""
        paths = {id(module): path for path, module in inside.named_modules()}
        return [
            f"{paths[id(module)]}.{name}".lstrip(".")
            for module, then in zip(self._modules, self._then, strict=True)
            if id(module) in paths
            for name, value in _plain(module).items()
            if name not in then or not _same(then[name], value)
        ]


def generators_of(modules: Iterable[nn.Module]) -> Iterator[tuple[str, torch.Generator]]:
    """The generators that modules have as attributes, and the names of these."""
    for module in modules:
        for name, value in vars(module).items():
            if isinstance(value, torch.Generator):
                yield name, value


def _plain(module: nn.Module) -> dict[str, Any]:
    return {
        name: value for name, value in vars(module).items() if name not in _TORCHS_OWN and _is_plain(value)
    }


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(_is_plain(each) for each in value)
    return type(value) in _PLAIN


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and (one == other or one != one)


_TORCHS_OWN = frozenset(vars(nn.Module()))
