"""What a non-reentrant checkpoint keeps instead of what its region saves: the region's inputs.

The graph holds placeholders only; the inputs are held by a frame object of torch's, as long as one of the
placeholders lives.
"""

from __future__ import annotations

import functools
import inspect
import sys
import weakref
from dataclasses import dataclass
from typing import Any, Final

from torch import Tensor
from torch.utils import checkpoint

from gradscope.facts.memory import MemoryKind
from gradscope.folds.kept_graph import KeptNode, KeptTensor
from gradscope.recorder.memory.kept_graph import Taken, shape_of
from gradscope.recorder.memory.storages import LiveStorages
from gradscope.recorder.now import Now
from gradscope.recorder.patches import Patches
from gradscope.recorder.places import Loc, intern_loc, user_frame
from gradscope.recorder.stats import dtype_name
from gradscope.recorder.values import tensors_in

CHECKPOINT: Final = "checkpoint"
_SWEPT_AT: Final = 256


@dataclass(frozen=True, slots=True)
class _Region:
    frame: weakref.ref[Any]
    loc: Loc
    root: int
    kept: tuple[KeptTensor, ...]


class Checkpoints:
    """Notes the inputs of every region, without holding them."""

    def __init__(self, now: Now, live: LiveStorages) -> None:
        self._now = now
        self._live = live
        self._regions: list[_Region] = []
        self._limit = _SWEPT_AT

    def install(self, patches: Patches) -> None:
        """Wraps the frame's method that takes the inputs; nothing where torch has changed."""
        frame = getattr(checkpoint, "_CheckpointFrame", None)
        save_inputs = getattr(frame, "save_inputs", None)
        if save_inputs is None:
            return

        @functools.wraps(save_inputs)
        def noted(this: Any, *args: Any) -> None:
            save_inputs(this, *args)
            self._now.guarded("the inputs of a checkpoint", self._note, this, args)

        patches.replace(frame, "save_inputs", noted)

    def _note(self, frame: Any, args: tuple[Any, ...]) -> None:
        named = [(f"args[{index}]", arg) for index, arg in enumerate(args)]
        named += _keywords(frame.recompute_fn).items()
        kept = tuple(self._tensor(name, one) for name, value in named for one in tensors_in(value))
        loc = intern_loc(user_frame(sys._getframe(3)), self._now.module, self._now.root_call)
        if len(self._regions) >= self._limit:
            self._regions = [region for region in self._regions if region.frame() is not None]
            self._limit = max(_SWEPT_AT, 2 * len(self._regions))
        self._regions.append(_Region(weakref.ref(frame), loc, self._now.root, kept))

    def _tensor(self, name: str, tensor: Tensor) -> KeptTensor:
        numbers = tuple(self._live.counted(tensor, MemoryKind.OTHER))
        return KeptTensor(name, shape_of(tensor), dtype_name(tensor.dtype), numbers)

    def add_to(self, taken: Taken) -> None:
        """Adds a node for every region that has put placeholders into this graph."""
        if not taken.placeholders:
            return
        for region in self._regions:
            frame = region.frame()
            if frame is None or not region.kept:
                continue
            holders = (reference() for reference in frame.weak_holders)
            if any(holder is not None and id(holder) in taken.placeholders for holder in holders):
                place = taken.places.setdefault((region.loc, region.root), len(taken.places))
                taken.nodes.append(KeptNode(CHECKPOINT, (), region.kept, place))


def _keywords(recompute: Any) -> dict[str, Any]:
    """The keyword arguments of the region: the function that runs it again has taken them from around it."""
    recompute = inspect.unwrap(recompute)
    cells = getattr(recompute, "__closure__", None) or ()
    found = [cell for name, cell in zip(_names(recompute), cells, strict=False) if name == "kwargs"]
    kwargs = found[0].cell_contents if found else None
    return kwargs if isinstance(kwargs, dict) else {}


def _names(function: Any) -> tuple[str, ...]:
    code = getattr(function, "__code__", None)
    return code.co_freevars if code is not None else ()
