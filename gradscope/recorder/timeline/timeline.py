"""The timeline of a run: puts its hooks in around the recorder's own, and closes what is open at the end."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from gradscope.folds.timeline import SliceBuffer
from gradscope.recorder.now import Now
from gradscope.recorder.patches import Patches
from gradscope.recorder.places import intern_loc, user_frame
from gradscope.recorder.timeline.doors import Doors
from gradscope.recorder.timeline.engine import EngineSlices
from gradscope.recorder.timeline.modules import ModuleSlices
from gradscope.recorder.timeline.ops import Ops, outputs
from gradscope.recorder.timeline.recompute import Recomputation
from gradscope.recorder.timeline.tracks import OPAQUE, Open, Tracks

_clock = time.perf_counter_ns
_NOT_TOLD = (
    "ops inside an optimizer's step, inside torch.compile and inside the backward of a custom Function "
    "have no slices of their own",
    "time between the slices of ops is the program's own Python and the recorder's work",
)


class Timeline:
    """What `trace --timeline` sees. `leaf_name` gives the name of a leaf that has one already."""

    def __init__(self, now: Now, buffer: SliceBuffer, leaf_name: Callable[[Tensor], str | None]) -> None:
        self._buffer = buffer
        self.tracks = Tracks(buffer)
        self.ops = Ops(now, self.tracks)
        self._engine = EngineSlices(now, self.tracks, leaf_name)
        self._doors = Doors(now, self.tracks)
        self._modules = ModuleSlices(now, self.tracks)
        self._recomputation = Recomputation(now, self.ops, self.tracks)

    def install_first(self, patches: Patches) -> None:
        """What must be in before the recorder's own hooks."""
        self._doors.install_first(patches)
        self._engine.install_inner(patches)

    def install(self, patches: Patches) -> None:
        """All the rest, after them."""
        self._modules.install(patches)
        self._doors.install(patches)
        self._engine.install_outer(patches)
        self._recomputation.install(patches)

    def opaque(self, name: str, call: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Calls what must not be looked into: one slice."""
        track = self.tracks.here()
        place = intern_loc(user_frame(sys._getframe(1)))
        first = torch._C._autograd._get_sequence_nr()
        one = track.begin(Open(_clock(), OPAQUE, name, place))
        try:
            output = call(*args, **kwargs)
            one.details = outputs(output)
            return output
        finally:
            ended = _clock()
            track.made(first, torch._C._autograd._get_sequence_nr(), one.begun_ns, None)
            track.end(one, ended)

    def close(self) -> None:
        """Ends the recording: closes what is open, and says what the slices do not tell."""
        self.ops.on = self._doors.on = False
        for track in self.tracks.all():
            track.end_all()
        self._buffer.remarks.update(dict.fromkeys(_NOT_TOLD))
        self._buffer.of_launching = self._buffer.of_launching or _accelerator_was_used()


def _accelerator_was_used() -> bool:
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        return True
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    return accelerator is not None and accelerator.type != "cuda"
