"""Warnings that torch raises inside an op keep pointing at the program's line.

The function mode stands between the program and torch, so a warning about "the caller" would name our
file. Such a warning is issued again for the program's frame, with the program's own registry, so that it
is shown as often as it would be without us. One that means the caller of the program itself
(`stacklevel=2` at its top level) would name the file of ours that runs it; Python names `sys`.
"""

from __future__ import annotations

import os
import sys
import warnings
from typing import Any

import torch.overrides

from gradscope.recorder.patches import Patches
from gradscope.recorder.places import user_frame

_OURS = os.path.dirname(os.path.abspath(__file__)) + os.sep
_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_BEYOND = 1 << 20  # stack level: there Python names no file, but sys
_BECAUSE_OF_US = "Using `torch.compile(module)` when there are global hooks on modules"
_OVERRIDES = torch.overrides.__file__


def install(patches: Patches) -> None:
    """Replaces the function through which Python and C show a warning that passed the filters."""
    show: Any = warnings._showwarnmsg  # type: ignore[attr-defined]

    def show_at_the_program(message: Any) -> None:
        if str(message.message).startswith(_BECAUSE_OF_US):
            return
        if message.filename.startswith(_PACKAGE) and not message.filename.startswith(_OURS):
            _forget_ours()
            warnings.warn(message.message, message.category, stacklevel=_BEYOND, source=message.source)
            return
        frame = user_frame(sys._getframe(1)) if message.filename.startswith(_OURS) else None
        if message.filename == _OVERRIDES:
            frame = user_frame(sys._getframe(1))
        if frame is None:
            show(message)
            return
        _forget_ours()
        warnings.warn_explicit(
            message.message,
            message.category,
            frame.f_code.co_filename,
            frame.f_lineno,
            frame.f_globals.get("__name__", "<unknown>"),
            frame.f_globals.setdefault("__warningregistry__", {}),
            source=message.source,
        )

    patches.replace(warnings, "_showwarnmsg", show_at_the_program)
    patches.finally_do(_forget_ours)


def _forget_ours() -> None:
    """Without its registry, a module of ours never counts as having warned already."""
    for name, module in list(sys.modules.items()):
        if module is torch.overrides or name.startswith("gradscope."):
            vars(module).pop("__warningregistry__", None)
