"""One run of a checkpointed region, op by op: what each gave, what it was given, and where it stands."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import Any

import torch
import torch.utils.checkpoint
from torch import Tensor
from torch.overrides import TorchFunctionMode

from gradscope.folds.region_runs import Draw, Given, Kept, OpRun, Run, TensorContent
from gradscope.recorder.checkpoints.alone import ForwardMode
from gradscope.recorder.checkpoints.contents import Contents, unseen
from gradscope.recorder.inplace import storage_of
from gradscope.recorder.now import Now
from gradscope.recorder.ops import Kind, kind_of, op_name
from gradscope.recorder.places import NOWHERE, Loc, intern_loc, is_inner, user_frame
from gradscope.recorder.stats import dtype_name
from gradscope.recorder.values import tensors_in, version

_CHECKPOINT_FILE = torch.utils.checkpoint.__file__
_LOGGED = (Kind.PURE, Kind.WRITES, Kind.FROM_PYTHON)
MOST_OPS = 20_000
_MOST_OUTPUTS = 4
_MOST_NUMBERS = 16
_LONGEST = 64  # characters of a number
_UNFILLED = ("empty", "empty_strided", "empty_permuted")
_DRAWN_LIKE = ("rand_like", "randn_like", "randint_like")
_RANDOM = frozenset(
    [
        *_DRAWN_LIKE,
        *("rand", "randn", "randint", "randperm", "bernoulli", "bernoulli_", "multinomial", "normal"),
        *("normal_", "uniform_", "random_", "exponential_", "geometric_", "cauchy_", "log_normal_"),
        *("poisson", "binomial", "rrelu", "rrelu_", "gumbel_softmax", "trunc_normal_"),
        *("dropout", "dropout_", "dropout1d", "dropout2d", "dropout3d", "native_dropout"),
        *("alpha_dropout", "feature_dropout", "feature_alpha_dropout", "fractional_max_pool2d"),
        *("fractional_max_pool3d", "scaled_dot_product_attention", "multi_head_attention_forward"),
        *("lstm", "gru", "rnn_tanh", "rnn_relu", "_sample_dirichlet", "_standard_gamma"),
    ]
)


class RunLog:
    """Takes down one run. Nothing of the program's is held: numbers, and places."""

    def __init__(self, now: Now) -> None:
        self._now = now
        self._contents = Contents()
        self._producers: dict[int, int] = {}  # storage -> the op that wrote to it last
        self._outside: dict[tuple[int, int, int, tuple[int, ...]], TensorContent | None] = {}
        self.run = Run()
        self.is_in_op = False

    @property
    def is_full(self) -> bool:
        """Whether as many ops were taken down as are kept."""
        return len(self.run.ops) >= MOST_OPS

    def keep(self, tensor: Tensor | None) -> None:
        """The backward is computed from this tensor; None where it is not."""
        with unseen():
            content = self._contents.of(tensor) if tensor is not None and not self.is_full else None
        self.run.kept.append(Kept(content, len(self.run.ops), self.is_in_op))

    def settle(self) -> None:
        """The run is over: brings its numbers from their devices."""
        with unseen():
            self._contents.settle()
        self._producers.clear()
        self._outside.clear()

    def given(self, args: Sequence[Any], kwargs: dict[str, Any]) -> tuple[Given, ...]:
        """The tensors of an op's arguments, before it runs."""
        found = []
        for position, argument in enumerate((*args, *kwargs.values())):
            for tensor in tensors_in(argument, 2):
                address = storage_of(tensor)
                producer = self._producers.get(address)
                content = self._content_outside(tensor, address) if producer is None else None
                leaf = id(tensor) if tensor.is_leaf and tensor.requires_grad else None
                found.append(Given(position, producer, content, (address, version(tensor)), leaf))
        return tuple(found)

    def _content_outside(self, tensor: Tensor, address: int) -> TensorContent | None:
        key = (address, version(tensor), int(tensor.storage_offset()), tuple(tensor.shape))
        if key not in self._outside:
            self._outside[key] = self._contents.of(tensor)
        return self._outside[key]

    def ran(
        self,
        func: Any,
        args: Sequence[Any],
        kwargs: dict[str, Any],
        given: tuple[Given, ...],
        output: Any,
        frame: FrameType | None,
    ) -> None:
        """An op has returned."""
        tensors = tensors_in(output, 2)
        if not tensors and not given:  # torch.device() and the like
            return
        name = op_name(func)
        outputs = tuple(self._content_given(name, tensor, func) for tensor in tensors[:_MOST_OUTPUTS])
        for tensor in (*tensors, *_written(func, args, kwargs)):
            address = storage_of(tensor)
            if address and not _is_mere_view(tensor, func):
                self._producers[address] = len(self.run.ops)
        chain, place = self._places(frame)
        numbers = tuple(_numbers(args, kwargs))
        draw = _draw(name, args, kwargs)
        self.run.ops.append(OpRun(name, place, chain, given, numbers, outputs, draw))

    def refused(self, func: Any, frame: FrameType | None) -> None:
        """An op has raised: it ran, and gave nothing."""
        chain, place = self._places(frame)
        self.run.ops.append(OpRun(op_name(func), place, chain, raised=True))

    def _content_given(self, name: str, tensor: Tensor, func: Any) -> TensorContent | None:
        """The content of a result. Of a view, only what it shows of its base is told."""
        if name in _UNFILLED:
            return None
        if not _is_mere_view(tensor, func):
            return self._contents.of(tensor)
        offset = float(tensor.storage_offset())
        return TensorContent(tuple(tensor.shape), dtype_name(tensor.dtype), exact=True, moments=(offset, 0.0))

    def _places(self, frame: FrameType | None) -> tuple[tuple[Loc, ...], Loc]:
        """The lines of the calls up to the region's own function, innermost first, and the op's line."""
        now = self._now
        outermost = user_frame(frame)
        place = intern_loc(outermost, now.module, now.root_call) if outermost is not None else NOWHERE
        found = []
        while frame is not None and frame.f_code.co_filename != _CHECKPOINT_FILE:
            if not is_inner(frame.f_code):
                found.append(intern_loc(frame))
            frame = frame.f_back
        return tuple(found), place


class _Logging(TorchFunctionMode):
    """Tells a log of every op."""

    def __init__(self, log: RunLog, now: Now) -> None:
        super().__init__()
        self._log = log
        self._now = now

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if self._log.is_full or not _is_logged(func):
            return func(*args, **kwargs)
        given: tuple[Given, ...] = ()
        try:
            with unseen():
                given = self._log.given(args, kwargs)
        except Exception as error:  # noqa: BLE001  our bookkeeping must not reach the program
            self._now.fault("what an op of a checkpoint was given", error)
        self._log.is_in_op = True
        frame = sys._getframe(1)
        try:
            output = func(*args, **kwargs)
        except Exception:
            self._now.guarded("an op that raised", self._log.refused, func, frame)
            raise
        finally:
            self._log.is_in_op = False
        try:
            with unseen():
                self._log.ran(func, args, kwargs, given, output, frame)
        except Exception as error:  # noqa: BLE001  our bookkeeping must not reach the program
            self._now.fault("an op of a checkpoint", error)
        return output


class FirstMode(_Logging, ForwardMode):
    """In the first run, beside the recorder's own mode."""


class AgainMode(_Logging):
    """In the recomputation."""


def _is_logged(func: Any) -> bool:
    kind = kind_of(func)
    return kind in _LOGGED or (kind is Kind.PASS and getattr(func, "__name__", "") in _DRAWN_LIKE)


def _is_mere_view(tensor: Tensor, func: Any) -> bool:
    """Whether an op gave another view of what it was given, and wrote nothing."""
    return kind_of(func) is Kind.PURE and tensor._is_view()


def _written(func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> list[Tensor]:
    """The tensors that an op may have written to, beside its result."""
    given = tensors_in(kwargs.get("out"))
    if kind_of(func) is Kind.WRITES and op_name(func).startswith("__") and args:
        given += tensors_in(args[0])
    return given


def _numbers(args: Sequence[Any], kwargs: dict[str, Any]) -> Iterator[str]:
    """The Python numbers among the arguments, as text."""
    numbers = (one for one in _flat(args, kwargs) if isinstance(one, (bool, int, float, complex)))
    for one in itertools.islice(numbers, _MOST_NUMBERS):
        yield repr(one)[:_LONGEST]


def _flat(args: Sequence[Any], kwargs: dict[str, Any]) -> Iterator[Any]:
    """The arguments, with what is in lists, tuples and slices."""
    stack = [*args, *kwargs.values()][::-1]
    while stack:
        one = stack.pop()
        if isinstance(one, (tuple, list)):
            stack += one[:_MOST_NUMBERS][::-1]
        elif isinstance(one, slice):
            stack += (one.step, one.stop, one.start)
        else:
            yield one


def _draw(name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> Draw:
    if name in _RANDOM:
        return Draw.GENERATOR if kwargs.get("generator") is not None else Draw.RANDOM
    arrays = any(type(one).__module__ == "numpy" for one in _flat(args, kwargs))
    return Draw.DATA if arrays or name in ("tensor", "as_tensor", "asarray", "new_tensor") else Draw.NOTHING
