"""The dispatch mode on the stacks of the program's threads, put in and taken out."""

from __future__ import annotations

import threading
from typing import Any

from torch.utils._python_dispatch import (
    TorchDispatchMode,
    _get_current_dispatch_mode_stack,
    _pop_mode,
    _push_mode,
)

from gradscope.recorder.memory.storages import LiveStorages
from gradscope.recorder.patches import Patches


def entered_in_threads(live: LiveStorages, patches: Patches) -> None:
    """A thread that the program starts has the mode too; torch's own threads take it from who calls them."""
    run = threading.Thread.run

    def run_in_mode(this: threading.Thread) -> None:
        if type(this).__module__.startswith(("torch.", "tqdm.", "concurrent.futures.process")):
            run(this)
            return
        with live:
            run(this)

    patches.replace(threading.Thread, "run", run_in_mode)


def leave(live: LiveStorages) -> None:
    """Takes the mode off the stack, also from under modes that the program never left."""
    above: list[TorchDispatchMode] = []
    stack: list[Any] = _get_current_dispatch_mode_stack()
    if live not in stack:
        return
    while (top := _get_current_dispatch_mode_stack()[-1]) is not live:
        above.append(_pop_mode(getattr(top, "_mode_key", None)))
    live.__exit__(None, None, None)  # type: ignore[no-untyped-call]
    for mode in reversed(above):
        _push_mode(mode)
