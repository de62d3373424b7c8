"""The calls that are more than ops: `.data`, `.grad`, exits to Python, entries from it, grad mode.

Each method runs the call exactly once, as the program asked, and notes what it means for the values.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Any

import torch
from torch import Tensor

from gradscope.facts import CutKind
from gradscope.folds.flow import Severing, Value, is_copy_of_leaf
from gradscope.recorder.grad_mode import GradMode
from gradscope.recorder.inplace import WriteLog
from gradscope.recorder.memory_aliases import MemoryAliases
from gradscope.recorder.mode import Special, ValueMode
from gradscope.recorder.now import Now
from gradscope.recorder.ops import Kind, op_name
from gradscope.recorder.places import Loc, is_inner
from gradscope.recorder.python_values import PythonValues, literal_numbers
from gradscope.recorder.reads import GradReads
from gradscope.recorder.values import TensorValues, is_leaf, requires_grad, tensors_in

_RECORDER = os.path.dirname(__file__) + os.sep
_DISTRIBUTED = os.path.join(os.path.dirname(torch.__file__), "distributed") + os.sep


class Specials:
    """The handlers by kind; `mode` is set once the mode exists."""

    mode: ValueMode

    def __init__(
        self,
        now: Now,
        values: TensorValues,
        python: PythonValues,
        writes: WriteLog,
        aliases: MemoryAliases,
        reads: GradReads,
        grad_mode: GradMode,
    ) -> None:
        self.now = now
        self.values = values
        self.python = python
        self.writes = writes
        self.aliases = aliases
        self.reads = reads
        self.grad_mode = grad_mode

    def table(self) -> dict[Kind, Special]:
        """Kind -> handler, each guarded so that a fault of ours never reaches the program."""
        return {
            Kind.GET_DATA: self.get_data,
            Kind.SET_DATA: self.set_data,
            Kind.GET_GRAD: self.get_grad,
            Kind.REQUIRES_GRAD: self.set_requires_grad,
            Kind.TO_PYTHON: self.to_python,
            Kind.TO_NUMPY: self.to_numpy,
            Kind.FROM_PYTHON: self.from_python,
            Kind.GRAD_MODE: self.grad_mode.switched,
            Kind.GRAD_CALL: self.grad_call,
            Kind.STORAGE: self.storage,
        }

    def get_data(self, func: Any, args: Sequence[Any], kwargs: dict[str, Any], loc: Loc) -> Any:
        """`t.data`: the value without its gradient, in the same memory, with a version counter of its own."""
        output = func(*args, **kwargs)

        def note() -> None:
            source = args[0]
            self.writes.unversioned_alias(output)
            self.values.alias(output, source)
            value = self.values.get(source)
            if value is not None:
                cut = Severing(CutKind.DATA) if value.requires_grad else None
                self.values.set(output, Value("data", (value,), loc, False, self.now.epoch, cut=cut))

        self.now.guarded(".data", note)
        return output

    def set_data(self, func: Any, args: Sequence[Any], kwargs: dict[str, Any], loc: Loc) -> Any:
        """`t.data = x`: other memory under the same tensor, unseen by its version counter."""
        output = func(*args, **kwargs)
        shards = _caller().f_code.co_filename.startswith(_DISTRIBUTED)

        def note() -> None:
            target, source = args[0], args[1]
            if not shards:  # FSDP swaps a parameter's memory, and puts back what backward needs
                self.writes.unversioned(target, "data", "data =", loc)
            value = self.values.get(source) if isinstance(source, Tensor) else None
            if is_leaf(target) and requires_grad(target):
                self.values.overwritten(target, "data =", [value] if value else [], loc)
            elif value is not None:
                cut = Severing(CutKind.DATA) if value.requires_grad else None
                grad = requires_grad(target)
                self.values.set(
                    target, Value("data =", (value,), loc, grad, self.now.epoch, cut=None if grad else cut)
                )

        self.now.guarded(".data =", note)
        return output

    def get_grad(self, func: Any, args: Sequence[Any], kwargs: dict[str, Any], loc: Loc) -> Any:
        """`t.grad`: None for a non-leaf; a value without graph for a leaf."""
        output = func(*args, **kwargs)
        frame = _caller()
        if not is_inner(frame.f_code):
            self.now.guarded(".grad", self._grad_read, args[0], output, loc, frame)
        return output

    def _grad_read(self, tensor: Tensor, gradient: Any, loc: Loc, frame: Any) -> None:
        if requires_grad(tensor) and not is_leaf(tensor):
            if not tensor.retains_grad:
                self.reads.nonleaf(tensor, loc, frame)
        elif isinstance(gradient, Tensor) and not requires_grad(gradient):
            value = self.values.get(tensor)
            if value is not None:
                cut = Severing(CutKind.GRAD_CALL)
                self.values.set(gradient, Value("grad", (value,), loc, False, self.now.epoch, cut=cut))

    def set_requires_grad(self, func: Any, args: Sequence[Any], kwargs: dict[str, Any], loc: Loc) -> Any:
        """A tensor becomes a leaf that wants a gradient (its earlier value ends there), or stops to."""
        before = self.values.peek(args[0]) if isinstance(args[0], Tensor) else None
        output = func(*args, **kwargs)

        def note() -> None:
            tensor = args[0]
            if requires_grad(tensor) and is_leaf(tensor):
                if before is not None and before.leaf is None and not is_copy_of_leaf(before):
                    new = Value("requires_grad_", (before,), loc, True, self.now.epoch, leaf=id(tensor))
                    self.values.set(tensor, new)
            elif not requires_grad(tensor):
                self.values.drop(tensor)

        self.now.guarded("requires_grad", note)
        return output

    def to_python(self, func: Any, args: Sequence[Any], kwargs: dict[str, Any], loc: Loc) -> Any:
        """`item()`, `float(t)`, `tolist()`, and `if t:`."""
        output = func(*args, **kwargs)
        if isinstance(output, bool) and is_inner(_caller().f_code):
            return output  # a library checks its arguments

        def note() -> None:
            value = self.values.get(args[0])
            if value is None:
                return
            if isinstance(output, int):
                self.python.chose(value, op_name(func).strip("_"), loc)
            else:
                self.python.left(output, value, op_name(func).strip("_"), loc)

        self.now.guarded("exit to Python", note)
        return output

    def to_numpy(self, func: Any, args: Sequence[Any], kwargs: dict[str, Any], loc: Loc) -> Any:
        """`numpy()`, `__array__`: an array over the tensor's own memory."""
        output = func(*args, **kwargs)

        def note() -> None:
            self.aliases.exposed(args[0], output)
            value = self.values.get(args[0])
            if value is not None:
                self.python.left(output, value, op_name(func).strip("_"), loc)

        self.now.guarded("exit to NumPy", note)
        return output

    def from_python(self, func: Any, args: Sequence[Any], kwargs: dict[str, Any], loc: Loc) -> Any:
        """`torch.tensor(x)`, `as_tensor`, `full`, `masked_fill`: numbers come into a tensor."""
        output = self.mode.run(func, args, kwargs, loc, True)
        if self.python.active or (args and not isinstance(args[0], Tensor)):
            self.now.guarded("entry from Python", self.entered, op_name(func), args, kwargs, output, loc)
        return output

    def entered(self, op: str, args: Sequence[Any], kwargs: dict[str, Any], output: Any, loc: Loc) -> None:
        """Links a new tensor to what left torch before, or to the tensors in a list it was made from."""
        if not isinstance(output, Tensor):
            return
        if op in ("from_numpy", "as_tensor", "asarray") and args and not isinstance(args[0], Tensor):
            self.aliases.exposed(output, args[0])
        contents = [a for a in (*args, *kwargs.values()) if not isinstance(a, Tensor)]
        literals = literal_numbers(loc)
        origins: list[Value] = []
        for content in contents:
            if not (isinstance(content, float) and content in literals):
                origins += self.python.entering(content, loc)
            origins += [v for t in tensors_in(content) if (v := self.values.get(t)) is not None]
        known = self.values.peek(output)
        if not origins or (known is not None and known.requires_grad and known.leaf is None):
            return
        parents = tuple({id(v): v for v in (*origins, *(known.parents if known else ()))}.values())
        grad = requires_grad(output)
        severed = any(p.requires_grad for p in parents)
        resumed = [p for p in parents if p.cut is not None and p.cut.kind in _LEFT]
        for value in resumed:
            assert value.cut is not None
            value.cut = Severing(value.cut.kind, resumed=loc, certain=value.cut.certain)
        cut = Severing(CutKind.NEW_TENSOR) if severed else None
        leaf = id(output) if grad and is_leaf(output) else None
        self.values.set(output, Value(op, parents, loc, grad, self.now.epoch, leaf=leaf, cut=cut))

    def grad_call(self, func: Any, args: Sequence[Any], kwargs: dict[str, Any], loc: Loc) -> Any:
        """`torch.autograd.grad`: its results carry a graph only with create_graph."""
        output = func(*args, **kwargs)

        def note() -> None:
            differentiated = [
                v for t in tensors_in(args[:2]) + tensors_in(kwargs) if (v := self.values.get(t)) is not None
            ]
            for tensor in tensors_in(output):
                grad = requires_grad(tensor)
                cut = None if grad else Severing(CutKind.GRAD_CALL)
                value = Value("autograd.grad", tuple(differentiated), loc, grad, self.now.epoch, cut=cut)
                if differentiated and self.values.peek(tensor) is None:
                    self.values.set(tensor, value)

        self.now.guarded("autograd.grad", note)
        return output

    def storage(self, func: Any, args: Sequence[Any], kwargs: dict[str, Any], loc: Loc) -> Any:
        """A storage is handed out: what is written to it afterwards, no version counter shows."""
        output = func(*args, **kwargs)
        self.now.guarded("storage", self.writes.handed_out, args[0])
        return output


def _caller() -> FrameType:
    """The frame that called the torch function: the one above the mode's and our own."""
    frame = sys._getframe(3)
    while frame.f_code.co_filename.startswith(_RECORDER):
        frame = frame.f_back  # type: ignore[assignment]
    return frame


_LEFT = (CutKind.PYTHON_NUMBER, CutKind.NUMPY)
