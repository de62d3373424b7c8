"""What modules keep as attributes and a step may change: counters, the last state, lists, generators."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import unset_fake_temporarily

from gradscope.loader.work import Work

_PLAIN: Final = (int, float, complex, str, bytes, bool, type(None))


class Attributes:
    """The attributes of those modules as they are when it is made, parameters and modules apart.

    Put back are numbers, texts, tuples of them, tensors and buffers that others took the place of, what lists
    and dictionaries hold, and the states of generators; not what was changed in place in a tensor.
    """

    def __init__(self, modules: Iterable[nn.Module]) -> None:
        self._modules = list(modules)
        self._then = [_own(module) for module in self._modules]
        self._held = [
            (value, value.copy())
            for own in self._then
            for value in own.values()
            if isinstance(value, (list, dict))
        ]
        self._buffers = [
            (module._buffers, dict(module._buffers))
            for module in self._modules
            if not isinstance(module, torch.jit.ScriptModule)  # keeps its own to itself
        ]
        self._generators = [(each, each.get_state()) for _, each in generators_of(self._modules)]

    def put_back(self) -> None:
        """Gives every module what it had then."""
        for generator, state in self._generators:
            generator.set_state(state)
        for buffers, registered in self._buffers:
            buffers.update(registered)
        for value, then in self._held:
            _fill(value, then)
        for module, own in zip(self._modules, self._then, strict=True):
            now = _own(module)
            for name in now.keys() - own.keys():
                del vars(module)[name]
            for name, value in own.items():
                if name not in now or now[name] is not value:
                    vars(module)[name] = value

    def changed(self, inside: nn.Module) -> list[str]:
        """The attributes of modules inside a module that are others now: "count", "gate.count"."""
        paths = {id(module): path for path, module in inside.named_modules()}
        refilled = {id(value) for value, then in self._held if not _same(value, then)}
        return [
            f"{paths[id(module)]}.{name}".lstrip(".")
            for module, then in zip(self._modules, self._then, strict=True)
            if id(module) in paths
            for name, value in _own(module).items()
            if name not in then or not _same(then[name], value) or id(value) in refilled
        ]

    def counted(self, inside: nn.Module) -> list[str]:
        """Those of `changed` that are numbers, then and now."""
        numbers = (int, float)
        now = {id(module): _own(module) for module in inside.modules()}
        then = {id(module): own for module, own in zip(self._modules, self._then, strict=True)}
        counts = []
        for path, module in inside.named_modules():
            for name, value in now[id(module)].items():
                before = then.get(id(module), {}).get(name)
                if type(value) in numbers and type(before) in numbers and not _same(before, value):
                    counts.append(f"{path}.{name}".lstrip("."))
        return counts


@contextmanager
def unchanged(work: Work) -> Iterator[Attributes]:
    """Inside it a step may change the attributes of its modules; afterwards they are as they were."""
    attributes = Attributes(module for root in work.roots for module in root.modules())
    try:
        yield attributes
    finally:
        attributes.put_back()


def generators_of(modules: Iterable[nn.Module]) -> Iterator[tuple[str, torch.Generator]]:
    """The generators that modules have as attributes, and the names of these."""
    for module in modules:
        for name, value in vars(module).items():
            if isinstance(value, torch.Generator):
                yield name, value


def random_states(own: Iterable[tuple[str, torch.Generator]]) -> dict[str, Any]:
    """The states of the generators that a checkpoint does not put back, by what they are called.

    `own` are those that modules have as attributes, and their names.
    """
    states: dict[str, Any] = {"Python's random": random.getstate()}
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        name, keys, *rest = numpy.random.get_state()
        states["NumPy's random"] = (name, keys.tobytes(), *rest)
    with unset_fake_temporarily():
        for name, generator in own:
            states[f"its own generator, {name}"] = generator.get_state().tolist()
    return states


def _own(module: nn.Module) -> dict[str, Any]:
    return {
        name: value
        for name, value in vars(module).items()
        if name not in _TORCHS
        and (_is_plain(value) or isinstance(value, Tensor) or type(value) in (list, dict))
    }


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(_is_plain(each) for each in value)
    return type(value) in _PLAIN


def _fill(value: Any, then: Any) -> None:
    if _same(value, then):
        return
    if isinstance(value, list):
        value[:] = then
    else:
        value.clear()
        value.update(then)


def _same(one: Any, other: Any) -> bool:
    """Whether two values are the same: tensors and what lists hold are the same objects."""
    if type(one) is not type(other):
        return False
    if isinstance(one, list):
        return len(one) == len(other) and all(a is b for a, b in zip(one, other, strict=True))
    if isinstance(one, dict):
        return list(one) == list(other) and all(one[key] is other[key] for key in one)
    return one is other or (_is_plain(one) and bool(one == other or one != one))


_TORCHS: Final = frozenset(vars(nn.Module()))
"""The attributes that torch gives every module: its parameters, buffers, modules and hooks."""
