"""Where grad mode was switched off, and by what: a block, a decorator, a bare call, a checkpoint."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Any

import torch
import torch.utils.checkpoint

from gradscope.facts import CutKind
from gradscope.recorder.now import Block, Now
from gradscope.recorder.patches import Patches
from gradscope.recorder.places import Loc, intern_loc, is_inner

_RECORDER = os.path.dirname(__file__) + os.sep
_CHECKPOINT_FILE = torch.utils.checkpoint.__file__


class GradMode:
    """Keeps `now.block`: the outermost stretch without grad mode that is running."""

    def __init__(self, now: Now) -> None:
        self._now = now

    def install(self, patches: Patches) -> None:
        """`inference_mode` does not go through `__torch_function__`: its entry and exit are wrapped."""
        now = self._now
        enter, leave = torch.inference_mode.__enter__, torch.inference_mode.__exit__

        def entering(this: torch.inference_mode) -> None:
            if this.mode and now.block is None:
                now.block = Block(CutKind.INFERENCE_MODE, _switch_loc(sys._getframe(1))[0])
            enter(this)

        def leaving(this: torch.inference_mode, *exception: Any) -> None:
            leave(this, *exception)
            if torch.is_grad_enabled() and not torch.is_inference_mode_enabled():
                now.block = None

        patches.replace(torch.inference_mode, "__enter__", entering)
        patches.replace(torch.inference_mode, "__exit__", leaving)

    def switched(self, func: Any, args: Sequence[Any], kwargs: dict[str, Any], loc: Loc) -> Any:
        """`_set_grad_enabled(mode)`, which no_grad, enable_grad and set_grad_enabled all call."""
        was_enabled = torch.is_grad_enabled()
        output = func(*args, **kwargs)
        now = self._now
        try:
            caller = _caller()
            if torch.is_grad_enabled():
                now.block = None
            elif caller.f_code.co_name == "__exit__":
                if now.block is not None and now.block.inside_function:
                    now.block = None
            elif was_enabled or now.block is None:
                switch, kind = _switch_loc(caller)
                now.block = Block(kind, switch, inside_function=not was_enabled)
        except Exception as error:  # noqa: BLE001  our bookkeeping must not reach the program
            now.fault("grad mode", error)
        return output


def _caller() -> FrameType:
    """The frame that switched: the one above the function modes of the recorder."""
    frame = sys._getframe(3)
    while frame.f_code.co_filename.startswith(_RECORDER) and frame.f_back is not None:
        frame = frame.f_back
    return frame


def _switch_loc(frame: FrameType | None) -> tuple[Loc, CutKind]:
    """The program's line that switched, and the kind; for a decorator, the decorated function's own line."""
    kind = CutKind.NO_GRAD
    while frame is not None and is_inner(frame.f_code):
        if frame.f_code.co_name == "decorate_context":
            decorated = frame.f_locals.get("func")
            code = getattr(decorated, "__code__", None)
            if code is not None and not is_inner(code):
                return Loc(code, 0), kind
        if frame.f_code.co_filename == _CHECKPOINT_FILE:
            kind = CutKind.CHECKPOINT
        frame = frame.f_back
    return intern_loc(frame), kind
