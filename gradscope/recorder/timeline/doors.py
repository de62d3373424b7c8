"""The slices of what has a door in torch: zero_grad, clipping, steps, batches, custom Functions.

All but the optimizers' steps are wrapped in `try ... finally`; steps have hooks, which an exception passes.
"""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn.utils import clip_grad
from torch.optim.optimizer import (
    Optimizer,
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)
from torch.utils.data import dataloader

from gradscope.folds.timeline import Slice
from gradscope.recorder.now import Now
from gradscope.recorder.optimizers import _never_compiled
from gradscope.recorder.patches import Patches
from gradscope.recorder.places import intern_loc, user_frame
from gradscope.recorder.timeline.ops import outputs
from gradscope.recorder.timeline.tracks import Open, Tracks, mark

_clock = time.perf_counter_ns
_next_sequence_nr = torch._C._autograd._get_sequence_nr


class Doors:
    """Wraps them."""

    def __init__(self, now: Now, tracks: Tracks) -> None:
        self._now = now
        self._tracks = tracks
        self.on = True

    def install_first(self, patches: Patches) -> None:
        """The end of a step is to be seen before the recorder's own hook ends the program there."""
        patches.hook(register_optimizer_step_post_hook(_never_compiled(self._after_step)))

    def install(self, patches: Patches) -> None:
        """Puts the wrappers in."""
        patches.hook(register_optimizer_step_pre_hook(_never_compiled(self._before_step)))
        self._wrap(patches, Optimizer, "zero_grad", "zero_grad")
        self._wrap(patches, nn.Module, "zero_grad", "zero_grad")
        for name in ("clip_grad_norm_", "clip_grad_value_"):
            clip = self._wrap(patches, clip_grad, name, "clip")
            patches.replace(nn.utils, name, clip)
        self._wrap(patches, dataloader._BaseDataLoaderIter, "__next__", "data")
        apply = vars(torch.autograd.Function)["apply"].__func__
        patches.replace(torch.autograd.Function, "apply", classmethod(self._function(apply)))

    # ------------------------------------------------------------ phases

    def _wrap(self, patches: Patches, owner: Any, name: str, category: str) -> Any:
        call = getattr(owner, name)

        @functools.wraps(call)
        def timed(*args: Any, **kwargs: Any) -> Any:
            if not self.on or torch.compiler.is_compiling():
                return call(*args, **kwargs)
            shown = "next batch" if category == "data" else name
            one = self._begin(category, shown)
            try:
                return call(*args, **kwargs)
            finally:
                self._end(one)

        patches.replace(owner, name, timed)
        return timed

    def _begin(self, category: str, name: str) -> Open | None:
        try:
            place = intern_loc(user_frame(sys._getframe(2)))
            return self._tracks.here().begin(Open(_clock(), category, name, place, is_phase=True))
        except Exception as error:  # noqa: BLE001  our bookkeeping must not reach the program
            self._now.fault(f"{name} in the timeline", error)
            return None

    def _end(self, one: Open | None) -> None:
        ended = _clock()
        try:
            if one is not None:
                self._tracks.here().end(one, ended)
        except Exception as error:  # noqa: BLE001
            self._now.fault("a phase in the timeline", error)

    # ------------------------------------------------------------ steps

    def _before_step(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        try:
            name, frame = f"{type(optimizer).__name__}.step", sys._getframe(2)
            place = intern_loc(user_frame(frame))
            one = Open(0, "step", name, place, key=id(optimizer), frame=mark(frame), is_phase=True)
            track = self._tracks.here()
            track.close_left(frame.f_back)
            one.begun_ns = _clock()
            track.begin(one)
        except Exception as error:  # noqa: BLE001
            self._now.fault("a step in the timeline", error)

    def _after_step(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        ended = _clock()
        try:
            track = self._tracks.here()
            track.end_of(id(optimizer), ended)
            track.steps.stepped(ended)
            track.pause()
        except Exception as error:  # noqa: BLE001
            self._now.fault("a step in the timeline", error)

    # ------------------------------------------------------------ custom Functions

    def _function(self, apply: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(apply)
        def timed(cls: Any, *args: Any, **kwargs: Any) -> Any:
            if not self.on or torch.compiler.is_compiling() or self._tracks.here().is_opaque:
                return apply(cls, *args, **kwargs)
            place = intern_loc(user_frame(sys._getframe(1)), self._now.module, self._now.root_call)
            first, begun = _next_sequence_nr(), _clock()
            output: Any = None
            try:
                output = apply(cls, *args, **kwargs)
                return output
            finally:
                ended = _clock()
                try:
                    track = self._tracks.here()
                    track.made(first, _next_sequence_nr(), begun, place)
                    name, details = f"{cls.__name__}.apply", outputs(output)
                    track.add(Slice(begun, ended, track.number, "function", name, place, details))
                except Exception as error:  # noqa: BLE001
                    self._now.fault("a custom Function in the timeline", error)

        return timed
