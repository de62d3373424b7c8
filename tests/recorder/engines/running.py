"""Programs with an engine of their own, run as text under the recorder."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import itertools
import linecache
from pathlib import Path
from types import ModuleType
from typing import Any

from gradscope.facts import ChainRow, Recording
from gradscope.recorder import Recorder

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
_numbers = itertools.count()

LESSON = """
import math

class Value:
    def __init__(self, data, children=(), op=""):
        self.data = data
        self.grad = 0.0
        self._backward = lambda: None
        self._prev = set(children)
        self._op = op
    def __add__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        out = Value(self.data + other.data, (self, other), "+")
        def _backward():
            self.grad += out.grad
            other.grad += out.grad
        out._backward = _backward
        return out
    def __mul__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        out = Value(self.data * other.data, (self, other), "*")
        def _backward():
            self.grad += other.data * out.grad
            other.grad += self.data * out.grad
        out._backward = _backward
        return out
    def __pow__(self, exponent):
        out = Value(self.data**exponent, (self,), f"**{exponent}")
        def _backward():
            self.grad += exponent * self.data ** (exponent - 1) * out.grad
        out._backward = _backward
        return out
    def tanh(self):
        t = math.tanh(self.data)
        out = Value(t, (self,), "tanh")
        def _backward():
            self.grad += (1 - t**2) * out.grad
        out._backward = _backward
        return out
    def relu(self):
        out = Value(max(0.0, self.data), (self,), "ReLU")
        def _backward():
            self.grad += (out.data > 0) * out.grad
        out._backward = _backward
        return out
    def __neg__(self):
        return self * -1
    def __sub__(self, other):
        return self + (-other)
    __radd__ = __add__
    __rmul__ = __mul__
    def backward(self):
        topo, seen = [], set()
        def build(value):
            if value not in seen:
                seen.add(value)
                for child in value._prev:
                    build(child)
                topo.append(value)
        build(self)
        self.grad = 1.0
        for value in reversed(topo):
            value._backward()

"""
"""A learner's engine, as lessons write it: closures, sets, nothing reset."""


def execute(source: str, **names: Any) -> dict[str, Any]:
    """Runs a program as a file of its own, whose lines the recorder can read."""
    path = f"<engine program {next(_numbers)}>"
    linecache.cache[path] = (len(source), None, source.splitlines(keepends=True), path)
    variables: dict[str, Any] = {"__name__": "__main__", "__file__": path, **names}
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(compile(source, path, "exec"), variables)
    variables["printed"] = out.getvalue()
    return variables


def record(source: str, **names: Any) -> tuple[Recording, dict[str, Any]]:
    """Runs a program under the recorder: what was measured, and the variables it ended with."""
    recorder = Recorder()
    with recorder:
        variables = execute(source, **names)
    recording = recorder.recording()
    assert not [text for text in recording.not_seen if "fault" in text], recording.not_seen
    return recording, variables


def engine() -> ModuleType:
    """The reference engine of the examples, freshly loaded."""
    spec = importlib.util.spec_from_file_location("reference_engine", EXAMPLES / "engine.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def numbers(row: ChainRow) -> tuple[Any, ...]:
    """A row as (name or text, value, local derivatives, incoming, outgoing), a leaf's with its `.grad`."""
    if row.is_leaf:
        return row.name, row.value, row.paths, row.outgoing[0][1]
    local, outgoing = [slope for _, slope in row.local], [given for _, given in row.outgoing]
    return row.name or row.expression or row.node, row.value, local, row.incoming, outgoing
