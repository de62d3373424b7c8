"""The function mode: every op of the program, with and without gradient, and its line.

This is the hottest code of gradscope: it runs once for each op of the user's program. A call is sorted
into a `Kind` once; what does not touch values passes straight through. Inside the handler the mode is
off, so what torch does within one function is one op to us, which is what the program wrote.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.overrides import TorchFunctionMode

from gradscope.facts import CutKind
from gradscope.folds.flow import Severing, Value
from gradscope.recorder import places
from gradscope.recorder.now import Now
from gradscope.recorder.ops import Kind, _kinds, kind_of, op_name
from gradscope.recorder.places import NOWHERE, Loc, _interned, intern_loc, is_inner, user_frame
from gradscope.recorder.python_values import PythonValues
from gradscope.recorder.values import TensorValues, is_leaf, requires_grad, version

if TYPE_CHECKING:
    from gradscope.recorder.timeline.ops import Ops

_PASS, _PURE, _WRITES = Kind.PASS, Kind.PURE, Kind.WRITES
_get_ident = threading.get_ident
_is_tracing = torch._C._is_tracing
_current_sequence_nr = torch._C._autograd._get_sequence_nr
_INTEGER_RESULTS = (torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)

Special = Callable[[Any, Sequence[Any], dict[str, Any], Loc], Any]


class OpObserver:
    """What the mode tells, beside the flow of values. Each method may be left as it is."""

    def wrote(self, tensor: Tensor, before: int, op: str, loc: Loc, sequence_nr: int) -> None:
        """An op changed a tensor's version counter from `before`."""

    def refused(self, op: str, args: Sequence[Any], loc: Loc, error: BaseException) -> None:
        """An op raised."""

    def made(
        self,
        op: str,
        inputs: list[Tensor],
        output: Any,
        loc: Loc,
        args: Sequence[Any],
        kwargs: dict[str, Any],
    ) -> None:
        """An op returned; called only while `watching_results` of the mode is True."""

    def assigned(self, tensor: Tensor, inputs: list[Tensor], op: str, loc: Loc, value: Value) -> None:
        """A differentiable op on a leaf returned a tensor."""


class ValueMode(TorchFunctionMode):
    """Sees every torch function that the program calls in the thread that entered it."""

    def __init__(
        self,
        now: Now,
        values: TensorValues,
        python: PythonValues,
        observer: OpObserver,
        specials: dict[Kind, Special],
    ) -> None:
        super().__init__()
        self.now = now
        self.values = values
        self.python = python
        self.observer = observer
        self.specials = specials
        self.watching_results = False
        self.timed: Ops | None = None

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kind = _kinds.get(func) or kind_of(func)
        now = self.now
        if kind is _PASS or (now.in_optimizer and _get_ident() in now.in_optimizer):
            if self.timed is not None and kind is _PASS and self.timed.allocates(func):
                func = self.timed.timed(func, _PURE, self.loc(sys._getframe(1)))
            return func(*args, **kwargs) if kwargs else func(*args)
        if _is_tracing():  # torch.jit names a value after the variables of every frame, also of ours
            return func(*args, **kwargs) if kwargs else func(*args)
        now.ops += 1
        loc = self.loc(sys._getframe(1))
        if self.timed is not None:
            func = self.timed.timed(func, kind, loc)
        if kind is _PURE and not kwargs:
            return self._run_pure(func, args, loc)
        if kind is not _PURE and kind is not _WRITES:
            special = self.specials.get(kind)
            if special is not None:
                return special(func, args, kwargs or {}, loc)
        return self.run(func, args, kwargs or {}, loc, kind is not _PURE)

    def _run_pure(self, func: Any, args: Sequence[Any], loc: Loc) -> Any:
        """The common case of `run`, straightened: positional arguments and no writes."""
        now = self.now
        parents = []
        inputs = []
        try:
            for arg in args:
                if type(arg) is Tensor or type(arg) is Parameter:
                    inputs.append(arg)
                elif type(arg) is float:
                    if self.python.active:
                        parents += self.python.among_arguments((arg,), {}, loc)
                elif isinstance(arg, (Tensor, tuple, list)):
                    inputs.extend(_tensors((arg,), {}))
            get = self.values.get
            for tensor in inputs:
                value = get(tensor)
                if value is not None:
                    parents.append(value)
        except Exception as error:  # noqa: BLE001  our bookkeeping must not reach the program
            now.fault("inputs of an op", error)
            return func(*args)
        now.op_loc = loc
        now.thread = _get_ident()
        try:
            output = func(*args)
        except (RuntimeError, ValueError) as error:
            now.guarded("a refusal", self.observer.refused, op_name(func), args, loc, error)
            raise
        finally:
            now.op_loc = None
        if parents:
            try:
                if type(output) is Tensor and output.requires_grad and output.grad_fn is not None:
                    value = Value(func.__name__, tuple(parents), loc, True, now.epoch)
                    self.values.set(output, value)
                    if self.values.uses_leaf(parents):
                        self.observer.assigned(output, inputs, func.__name__, loc, value)
                else:
                    self.derive(op_name(func), inputs, parents, output, loc)
            except Exception as error:  # noqa: BLE001
                now.fault(f"result of {op_name(func)}", error)
        if self.watching_results:
            self._made(op_name(func), inputs, output, loc, args, {})
        return output

    def _made(self, op: str, inputs: list[Tensor], output: Any, loc: Loc, args: Any, kwargs: Any) -> None:
        self.now.guarded(f"watching {op}", self.observer.made, op, inputs, output, loc, args, kwargs)

    def loc(self, frame: Any) -> Loc:
        """The Loc of the program's frame at or above `frame`, with the caller it was reached from."""
        now = self.now
        inner = places._inner
        while frame is not None:
            known = inner.get(frame.f_code)
            if not (is_inner(frame.f_code) if known is None else known):
                break
            frame = frame.f_back
        if frame is None:
            return NOWHERE
        module, caller = now.module, now.root_call
        codes = now.step_codes
        if module is not None or not codes or frame.f_code in codes:
            code = frame.f_code
            loc = _interned.get((code, code.co_filename, frame.f_lasti, module, caller))
            return loc or intern_loc(frame, module, caller)
        outer = frame.f_back
        for _ in range(8):
            outer = user_frame(outer)
            if outer is None:
                break
            if outer.f_code in codes:
                return intern_loc(frame, None, intern_loc(outer))
            outer = outer.f_back
        return intern_loc(frame)

    def run(self, func: Any, args: Sequence[Any], kwargs: dict[str, Any], loc: Loc, writes: bool) -> Any:
        """Runs an op and notes what came of it."""
        now = self.now
        try:
            inputs = _tensors(args, kwargs)
            get = self.values.get
            parents = [v for v in map(get, inputs) if v is not None]
            if self.python.active:
                parents += self.python.among_arguments(args, kwargs, loc)
            if writes or (kwargs and "out" in kwargs):
                versions = [version(t) for t in inputs]
                sequence_nr = _current_sequence_nr()
            else:
                versions = None
                sequence_nr = 0
        except Exception as error:  # noqa: BLE001  our bookkeeping must not reach the program
            now.fault("inputs of an op", error)
            return func(*args, **kwargs)
        now.op_loc = loc
        now.thread = _get_ident()
        try:
            output = func(*args, **kwargs)
        except BaseException as error:
            now.op_loc = None
            if isinstance(error, (RuntimeError, ValueError)):
                now.guarded("a refusal", self.observer.refused, op_name(func), args, loc, error)
            raise
        now.op_loc = None
        try:
            if versions is not None:
                for tensor, before in zip(inputs, versions, strict=True):
                    if version(tensor) != before:
                        self.wrote(tensor, before, op_name(func), inputs, parents, loc, sequence_nr)
            if parents:
                self.derive(op_name(func), inputs, parents, output, loc)
        except Exception as error:  # noqa: BLE001
            now.fault(f"result of {op_name(func)}", error)
        if self.watching_results:
            self._made(op_name(func), inputs, output, loc, args, kwargs)
        return output

    def derive(
        self,
        op: str,
        inputs: list[Tensor],
        parents: list[Value],
        output: Any,
        loc: Loc,
        severing: Severing | None = None,
    ) -> None:
        """Gives the tensors of an op's result their values."""
        if isinstance(output, Tensor):
            outputs: Sequence[Any] = (output,)
        elif isinstance(output, (tuple, list)):
            outputs = output
        else:
            return
        carried = None
        for tensor in outputs:
            if not isinstance(tensor, Tensor):
                continue
            if any(tensor is given for given in inputs) and self.values.peek(tensor) is not None:
                continue  # an in-place op returned its input: `wrote` has dealt with it
            grad = requires_grad(tensor)
            if carried is None:
                carried = tuple(parents)
            if grad and not is_leaf(tensor):
                value = Value(op, carried, loc, True, self.now.epoch)
                self.values.set(tensor, value)
                if self.values.uses_leaf(parents):
                    self.observer.assigned(tensor, inputs, op, loc, value)
                continue
            cut = None
            if any(parent.requires_grad for parent in parents):
                cut = severing or self.severing(op, tensor)
            leaf = id(tensor) if grad else None
            self.values.set(tensor, Value(op, carried, loc, grad, self.now.epoch, leaf=leaf, cut=cut))

    def severing(self, op: str, output: Tensor) -> Severing:
        """Why this result carries no gradient although an input did."""
        if op in ("detach", "detach_", "detach_copy"):
            return Severing(CutKind.DETACH)
        if op in ("tensor", "as_tensor", "asarray", "new_tensor"):
            return Severing(CutKind.NEW_TENSOR)
        if output.dtype in _INTEGER_RESULTS:
            return Severing(CutKind.INTEGER)
        block = self.now.block
        if block is not None and not torch.is_grad_enabled():
            return Severing(block.kind, block=block.loc)
        return Severing(CutKind.NOT_DIFFERENTIABLE)

    def wrote(
        self,
        tensor: Tensor,
        before: int,
        op: str,
        inputs: list[Tensor],
        parents: list[Value],
        loc: Loc,
        sequence_nr: int,
    ) -> None:
        """An in-place op: the tensor, and the base it is a view of, hold something new."""
        self.observer.wrote(tensor, before, op, loc, sequence_nr)
        for written in self.values.written_with(tensor):
            if is_leaf(written) and requires_grad(written):
                self.values.overwritten(written, op, parents, loc)
            elif parents:
                own = self.values.peek(written)
                carried = tuple(parents) if own is None or own in parents else (*parents, own)
                grad = requires_grad(written)
                severed = not grad and any(p.requires_grad for p in parents)
                cut = self.severing(op, written) if severed else None
                self.values.set(written, Value(op, carried, loc, grad, self.now.epoch, cut=cut))


def _tensors(args: Sequence[Any], kwargs: dict[str, Any]) -> list[Tensor]:
    found = []
    for arg in args:
        if isinstance(arg, Tensor):
            found.append(arg)
        elif isinstance(arg, (tuple, list)):
            for item in arg:
                if isinstance(item, Tensor):
                    found.append(item)
                elif isinstance(item, (tuple, list)):
                    found.extend(t for t in item if isinstance(t, Tensor))
    if kwargs:
        for arg in kwargs.values():
            if isinstance(arg, Tensor):
                found.append(arg)
            elif isinstance(arg, (tuple, list)):
                found.extend(t for t in arg if isinstance(t, Tensor))
    return found
