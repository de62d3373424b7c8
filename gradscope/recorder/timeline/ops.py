"""The slice of each op that the function mode sees: the mode is given a callable that times the op.

The clock is read right around the op, so what the recorder itself does before and after lies between the
slices. A slice notes the sequence numbers of the nodes that were made meanwhile: that is the link to
the backward.
"""

from __future__ import annotations

import time
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter

from gradscope.folds.timeline import Detail, Details, Shape, Slice
from gradscope.recorder.now import Now
from gradscope.recorder.ops import Kind, op_name
from gradscope.recorder.places import Loc
from gradscope.recorder.timeline.tracks import Track, Tracks

TIMED = frozenset([Kind.PURE, Kind.WRITES, Kind.FROM_PYTHON, Kind.TO_PYTHON, Kind.TO_NUMPY])
_ALLOCATING = frozenset(
    ["zeros_like", "ones_like", "rand_like", "randn_like", "randint_like", "new_zeros", "new_ones"]
)  # no values come of their arguments, so the mode passes them through; they take their time all the same
_MOST_OUTPUTS = 4
_clock = time.perf_counter_ns
_next_sequence_nr = torch._C._autograd._get_sequence_nr
_modes = torch._C._len_torch_function_stack


class Ops:
    """Makes the callables, and keeps what they measured."""

    def __init__(self, now: Now, tracks: Tracks) -> None:
        self._now = now
        self._tracks = tracks
        self._worth: dict[Any, bool] = {}
        self.on = True

    def timed(self, func: Any, kind: Kind, place: Loc) -> Any:
        """What is to be called in place of an op."""
        worth = self._worth.get(func)
        if worth is None:
            worth = self._worth[func] = _is_op(func, kind)
        return TimedOp(self, func, place) if worth and self.on else func

    def allocates(self, func: Any) -> bool:
        """Whether a function that the mode passes through is worth a slice."""
        return self.on and getattr(func, "__name__", "") in _ALLOCATING

    def note(self, op: TimedOp, begun: int, ended: int, first: int, details: Details) -> None:
        """An op is over."""
        try:
            track = self._tracks.here()
            end = _next_sequence_nr()
            if end != first:
                track.made(first, end, begun, op.place)
            track.add(Slice(begun, ended, track.number, "op", op_name(op.func), op.place, details))
            if is_at_loop_level(track):
                track.steps.op(begun, ended)
                track.pause()
        except Exception as error:  # noqa: BLE001  our bookkeeping must not reach the program
            self._now.fault("the timeline", error)


class TimedOp:
    """An op that tells how long it took; to the recorder it has the name of the op."""

    __slots__ = ("_ops", "func", "place")

    def __init__(self, ops: Ops, func: Any, place: Loc) -> None:
        self._ops = ops
        self.func = func
        self.place = place

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Runs the op, as it would have run."""
        first = _next_sequence_nr()
        begun = _clock()
        try:
            output = self.func(*args, **kwargs)
        except BaseException as error:
            self._ops.note(self, begun, _clock(), first, raised(error))
            raise
        ended = _clock()
        self._ops.note(self, begun, ended, first, outputs(output))
        return output

    def __getattr__(self, name: str) -> Any:
        return getattr(self.func, name)


def _is_op(func: Any, kind: Kind) -> bool:
    """Whether a function of a kind that is timed computes anything: torch's own profiler marks do not."""
    name = str(getattr(func, "__name__", ""))
    return kind in TIMED and name != "device" and not name.startswith("_record_function")


def is_at_loop_level(track: Track) -> bool:
    """Whether nothing is open but perhaps a step, whose closure computes the loss."""
    return not track.open or track.open[-1].category == "step"


def raised(error: BaseException) -> Details:
    """How an op ended that did not return. A checkpoint ends its recomputation by an exception of its own."""
    name = type(error).__name__
    if name == "_StopRecomputationError":
        return (("ended", "the checkpoint has recomputed all it needs"),)
    return (("raised", name),)


def outputs(value: Any) -> Details:
    """The `output` of a slice. A tensor of a class of its own may refuse to tell."""
    try:
        return (("output", _described(value)),)
    except Exception as error:  # noqa: BLE001  a tensor subclass runs its own code
        return (("output", f"{type(value).__name__}, unreadable: {type(error).__name__}"),)


def _described(output: Any) -> Detail:
    """The shape and dtype of each tensor of an op's result; a Python type for what is no tensor."""
    if type(output) in (Tensor, Parameter):
        return (_shape_and_dtype(output),)
    if isinstance(output, (tuple, list)):
        return tuple([_shape_and_dtype(one) for one in output[:_MOST_OUTPUTS] if isinstance(one, Tensor)])
    if isinstance(output, Tensor):
        return (_shape_and_dtype(output),)
    return type(output).__name__


def _shape_and_dtype(tensor: Tensor) -> tuple[Shape | None, object]:
    """Read out of sight of every other function mode, and of the tensor's own class."""
    if type(tensor) is Tensor and not _modes():
        return tensor.shape, tensor.dtype
    with torch._C.DisableTorchFunction():
        return tensor.shape, tensor.dtype
