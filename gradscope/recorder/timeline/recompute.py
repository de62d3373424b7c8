"""The ops that activation checkpointing runs again inside the backward.

The recorder's own function mode is off there. Ours, which only times, is put in its place while a
checkpoint recomputes; torch has no door for it, so the two internals that do it are wrapped.
"""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils import checkpoint

from gradscope.folds.timeline import Slice
from gradscope.recorder.checkpoints.alone import alone
from gradscope.recorder.now import Now
from gradscope.recorder.ops import kind_of
from gradscope.recorder.patches import Patches
from gradscope.recorder.places import intern_loc, user_frame
from gradscope.recorder.timeline.ops import Ops
from gradscope.recorder.timeline.tracks import Tracks

_clock = time.perf_counter_ns


class _TimingMode(TorchFunctionMode):
    """Times every op, and nothing else."""

    def __init__(self, now: Now, ops: Ops) -> None:
        super().__init__()
        self._now = now
        self._ops = ops

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        now = self._now
        place = intern_loc(user_frame(sys._getframe(1)), now.module, now.root_call)
        return self._ops.timed(func, kind_of(func), place)(*args, **(kwargs or {}))


class Recomputation:
    """Wraps what recomputes, for both kinds of checkpoints."""

    def __init__(self, now: Now, ops: Ops, tracks: Tracks) -> None:
        self._now = now
        self._ops = ops
        self._tracks = tracks

    def install(self, patches: Patches) -> None:
        """Raises nothing where torch has changed: then the ops are not seen, and the remark says so."""
        patches.replace(
            checkpoint.CheckpointFunction,
            "backward",
            staticmethod(self._seen(checkpoint.CheckpointFunction.backward)),
        )
        begin = checkpoint._CheckpointFrame.__init__

        @functools.wraps(begin)
        def __init__(this: Any, recompute_fn: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
            begin(this, self._seen(recompute_fn, name="recompute"), *args, **kwargs)

        patches.replace(checkpoint._CheckpointFrame, "__init__", __init__)

    def _seen(self, recompute: Callable[..., Any], name: str = "") -> Callable[..., Any]:
        @functools.wraps(recompute)
        def seen(*args: Any, **kwargs: Any) -> Any:
            if not self._ops.on or torch.compiler.is_compiling() or not self._now.in_backward:
                return recompute(*args, **kwargs)
            begun = _clock()
            try:
                with alone(_TimingMode(self._now, self._ops)):
                    return recompute(*args, **kwargs)
            finally:
                if name:
                    track = self._tracks.here()
                    track.add(Slice(begun, _clock(), track.number, "checkpoint", name))

        return seen
