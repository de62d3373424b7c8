"""Why a forward that is run again does not do the same: what it changes that no checkpoint puts back."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from gradscope.loader.work import Work
from gradscope.memory_use.attributes import generators_of, unchanged
from gradscope.memory_use.calls import tensors_of


def what_changes(work: Work, module: nn.Module) -> str | None:
    """What one forward of the work shows of the module, as a sentence; None where it shows nothing."""
    with unchanged(work) as attributes, _watched(module) as seen, work.again():
        loss = work.forward()
        is_changed = any(tensor._version != version for tensor, version in seen.given)
        changed = [f"self.{name}" for name in attributes.changed(module)]
    del loss
    if changed:
        return f"its forward changes {', '.join(changed[:3])}, which the recomputation finds changed"
    if seen.drawn:
        return f"its forward draws from {seen.drawn[0]}, and a checkpoint does not rewind that"
    if is_changed:
        return "a tensor that it is called with is changed in place, in its forward or after it"
    return None


class _Seen:
    """Tensors that a module was called with and their versions, and the generators that it drew from."""

    def __init__(self) -> None:
        self.given: list[tuple[Tensor, int]] = []
        self.drawn: list[str] = []


@contextmanager
def _watched(module: nn.Module) -> Iterator[_Seen]:
    seen = _Seen()
    before: dict[str, Any] = {}

    def enter(_module: nn.Module, args: Any, kwargs: Any) -> None:
        seen.given += [(tensor, tensor._version) for tensor in tensors_of((args, kwargs))]
        before.update(_random_states(module))

    def leave(_module: nn.Module, _args: Any, _output: Any) -> None:
        now = _random_states(module)
        seen.drawn += [name for name, state in before.items() if now.get(name) != state]

    entering = module.register_forward_pre_hook(enter, with_kwargs=True)
    leaving = module.register_forward_hook(leave)
    try:
        yield seen
    finally:
        entering.remove()
        leaving.remove()


def _random_states(module: nn.Module) -> dict[str, Any]:
    """The states of the generators that a checkpoint does not put back, by what they are called."""
    states: dict[str, Any] = {"Python's random": random.getstate()}
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        name, keys, *rest = numpy.random.get_state()
        states["NumPy's random"] = (name, keys.tobytes(), *rest)
    for name, generator in generators_of(module.modules()):
        states[f"its own generator, {name}"] = generator.get_state().tolist()
    return states
