"""The slices of modules, nested as their forwards are; that of a root module is a phase of the step."""

from __future__ import annotations

import sys
import threading
import time
from typing import Any

import torch
from torch import nn
from torch.nn.modules import module as module_hooks

from gradscope.folds.timeline import Details
from gradscope.recorder.now import Now
from gradscope.recorder.patches import Patches
from gradscope.recorder.places import intern_loc, user_frame
from gradscope.recorder.timeline.ops import is_at_loop_level
from gradscope.recorder.timeline.steps import FORWARD
from gradscope.recorder.timeline.tracks import Open, Tracks, mark

_clock = time.perf_counter_ns


class ModuleSlices:
    """Hooks of its own, called after those that say which module is running."""

    def __init__(self, now: Now, tracks: Tracks) -> None:
        self._now = now
        self._tracks = tracks
        self._thread = threading.get_ident()  # the one whose modules `now.module` names

    def install(self, patches: Patches) -> None:
        """Puts the global module hooks in."""
        patches.hook(module_hooks.register_module_forward_pre_hook(self._enter))
        patches.hook(module_hooks.register_module_forward_hook(self._leave, always_call=True))

    def _enter(self, module: nn.Module, args: Any) -> None:
        if torch.compiler.is_compiling():
            return
        try:
            track = self._tracks.here()
            if track.is_opaque:
                return
            frame = sys._getframe(1)
            track.close_left(frame.f_back)
            outer = next((one for one in reversed(track.open) if one.category in ("module", FORWARD)), None)
            path = self._now.module if threading.get_ident() == self._thread else None
            class_name = type(module).__name__
            details: Details = (("class", class_name),)
            if path:
                details = (*details, ("module", path))
            one = Open(0, "module", class_name, details=details, key=id(module), frame=mark(frame))
            if outer is not None:
                one.name = _inside(path, _path(outer)) or class_name
            elif not self._now.in_backward and next(module.parameters(), None) is not None:
                one.category, one.is_phase = FORWARD, True
                one.place = intern_loc(user_frame(frame))
                if not torch.is_grad_enabled():
                    one.details = (*details, ("grad mode", False))
            one.begun_ns = _clock()
            track.begin(one)
        except Exception as error:  # noqa: BLE001  our bookkeeping must not reach the program
            self._now.fault("a module in the timeline", error)

    def _leave(self, module: nn.Module, args: Any, output: Any) -> None:
        if torch.compiler.is_compiling():
            return  # before all else: Dynamo traces this far
        ended = _clock()
        try:
            track = self._tracks.here()
            one = next((each for each in reversed(track.open) if each.key == id(module)), None)
            if one is None:
                return
            track.end(one, ended)
            if one.category == "module" and is_at_loop_level(track):
                track.steps.op(one.begun_ns, ended)  # a criterion is a module too
        except Exception as error:  # noqa: BLE001
            self._now.fault("a module in the timeline", error)


def _path(one: Open) -> str:
    return next((str(value) for name, value in one.details if name == "module"), "")


def _inside(path: str | None, outer: str) -> str | None:
    """The path as the enclosing module would write it: `attn` in `h.3` for `h.3.attn`."""
    return path.removeprefix(f"{outer}.") if path and outer else path
