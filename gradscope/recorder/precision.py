"""Mixed precision that was asked for and had no effect: torch warns once and runs on in float32."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch.amp.autocast_mode import autocast
from torch.amp.grad_scaler import GradScaler

from gradscope.recorder.patches import Patches
from gradscope.recorder.places import here


class Precision:
    """Notes each autocast or GradScaler for CUDA on a machine without one."""

    def __init__(self, note: Callable[[str], None]) -> None:
        self._note = note

    def install(self, patches: Patches) -> None:
        """Wraps the two constructors."""
        for kind, consequence in (
            (autocast, "the program ran in float32"),
            (GradScaler, "gradients were not scaled"),
        ):
            patches.replace(kind, "__init__", self._watched(kind, consequence))

    def _watched(self, kind: Any, consequence: str) -> Any:
        construct = kind.__init__

        @functools.wraps(construct)
        def __init__(this: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
            construct(this, *args, **kwargs)
            device = str(args[0] if args else kwargs.get("device_type", kwargs.get("device", "cuda")))
            wanted = kwargs.get("enabled", True)
            if wanted and device.startswith("cuda") and not torch.cuda.is_available():
                where = here(1).location()
                line = f" on line {where.line}" if where else ""
                self._note(f"{kind.__name__} for CUDA{line}: there is no CUDA here, so {consequence}")

        return __init__
