"""A small recorder: gives nodes their lines, and calls the watches around the engine."""

from __future__ import annotations

import linecache
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
import torch.fx.traceback
from torch import Tensor
from torch.overrides import TorchFunctionMode

from gradscope.finding import Location
from gradscope.recorder.chain import ChainWatch
from gradscope.recorder.nodes import NodeWatch
from gradscope.recorder.nonfinite import ForwardWatch
from gradscope.recorder.places import Loc, intern_loc, user_frame


def here(module: str | None = None) -> Loc:
    """The line of the test that got here."""
    frame = user_frame(sys._getframe(1))
    while frame is not None and frame.f_code.co_filename == __file__:
        frame = user_frame(frame.f_back)
    return intern_loc(frame, module)


def walk(roots: Iterable[Tensor]) -> list[Any]:
    """All nodes reachable from the roots, each once."""
    stack = [root.grad_fn for root in roots if root.grad_fn is not None]
    found = dict.fromkeys(stack)
    while stack:
        for node, _ in stack.pop().next_functions:
            if node is not None and node not in found:
                found[node] = None
                stack.append(node)
    return list(found)


class Checking(TorchFunctionMode):
    """Tells the forward watch and the chain watch of every op."""

    def __init__(self, harness: Harness) -> None:
        super().__init__()
        self.harness = harness

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        output = func(*args, **kwargs)
        name = getattr(func, "__name__", "")
        if name == "__get__":
            name = "." + func.__self__.__name__
        if name in ("backward", "register_hook", "is_leaf", ".grad_fn", ".is_meta", ".shape", ".dtype"):
            return output
        with torch._C.DisableTorchFunction():
            if self.harness.forward.armed:
                inputs = [t for t in _flat((*args, *kwargs.values())) if isinstance(t, Tensor)]
                self.harness.forward.check(name, inputs, output, here(), args, kwargs)
            if self.harness.chain.recording_values:
                for tensor in _flat((output,)):
                    if isinstance(tensor, Tensor) and tensor.grad_fn is not None:
                        self.harness.chain.value(tensor.grad_fn._sequence_nr(), tensor)
        return output


def _flat(values: Iterable[Any]) -> Iterator[Any]:
    for value in values:
        if isinstance(value, (tuple, list)):
            yield from _flat(value)
        else:
            yield value


class Harness:
    """The watches of one program."""

    def __init__(self) -> None:
        self.nodes = NodeWatch()
        self.forward = ForwardWatch()
        self.chain = ChainWatch()
        self.watching = True
        self.tell_inputs = True
        self.step = 0
        self.module: str | None = None
        self._names: dict[int, tuple[str, Any]] = {}

    def name(self, **leaves: Any) -> None:
        """Names leaves, and all parameters of modules, and keeps them alive."""
        for name, leaf in leaves.items():
            if isinstance(leaf, torch.nn.Module):
                for inner, parameter in leaf.named_parameters():
                    self._names[id(parameter)] = (f"{name}.{inner}", parameter)
            else:
                self._names[id(leaf)] = (name, leaf)

    def leaf_name(self, key: int) -> str:
        return self._names[key][0]

    def births(self) -> Any:
        return self.nodes.births.facts(self.leaf_name)

    def zeroed(self) -> Any:
        return self.nodes.zeroing.facts(self.leaf_name)

    def engine(self, run: Callable[..., Any]) -> Callable[..., Any]:
        """Wraps the engine's entry."""

        def wrapped(roots: Any, gradients: Any, *args: Any, **kwargs: Any) -> Any:
            if not self.watching:
                return run(roots, gradients, *args, **kwargs)
            self.step += 1
            with torch._C.DisableTorchFunction():
                nodes = walk(roots)
                backward = here()
                inputs = tuple(args[2]) if self.tell_inputs else None
                for root in roots:
                    self.forward.loss_is_nonfinite(root, nodes, backward, self.step)
                self.chain.before(nodes, roots, gradients, backward)
                self.nodes.before(nodes, roots, backward, step=self.step, inputs=inputs)
                try:
                    return run(roots, gradients, *args, **kwargs)
                finally:
                    self.nodes.after()
                    self.chain.after()

        return wrapped


@contextmanager
def recording() -> Iterator[Harness]:
    """Runs a block under the watches; no hook of theirs may have failed in it."""
    harness = Harness()
    with pytest.MonkeyPatch.context() as patch, torch.autograd.set_detect_anomaly(True, check_nan=False):
        patch.setattr(torch.fx.traceback, "format_stack", lambda: here(harness.module))
        run = harness.engine(torch.autograd._engine_run_backward)
        patch.setattr(torch.autograd, "_engine_run_backward", run)
        with Checking(harness):
            yield harness
    assert not harness.nodes.faults
    assert not harness.forward.failures
    assert not harness.chain.failures


def text(location: Location | None) -> str:
    """The source line of a location, stripped."""
    assert location is not None
    return linecache.getline(location.path, location.line).strip()


def code(location: Location | None) -> str:
    """The expression at a location."""
    assert location is not None
    line = linecache.getline(location.path, location.line)
    assert location.column is not None
    assert location.end_column is not None
    return line[location.column - 1 : location.end_column - 1]
