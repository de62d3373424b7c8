"""The doors of checkpoints that are not reentrant: torch keeps a frame for each, with what it saved.

The hook that packs saved tensors is entered around the first run, asks for the metadata of each, and has
the frame check them once they are recomputed.
"""

from __future__ import annotations

import functools
import inspect
import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils import checkpoint

from gradscope.recorder.checkpoints.doors import Opened, calling_place, name_of
from gradscope.recorder.checkpoints.region import Region
from gradscope.recorder.now import Now
from gradscope.recorder.patches import Patches

NAMES = ("_CheckpointFrame", "_checkpoint_hook")


def install(patches: Patches, now: Now, opened: Opened) -> None:
    """Wraps the frame, and the hook around the first run."""
    regions: weakref.WeakKeyDictionary[Any, Region] = weakref.WeakKeyDictionary()
    _install_frame(patches, now, opened, regions)
    _install_hook(patches, regions)


def _install_frame(
    patches: Patches, now: Now, opened: Opened, regions: weakref.WeakKeyDictionary[Any, Region]
) -> None:
    frame = checkpoint._CheckpointFrame
    begin: Callable[..., None] = frame.__init__
    signature = inspect.signature(begin)
    check: Callable[..., None] = frame.check_recomputed_tensors_match

    def __init__(this: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807  in place of torch's own
        given = signature.bind(this, *args, **kwargs)
        known: dict[str, Any] = given.arguments
        recompute, metadata = known.get("recompute_fn"), known.get("metadata_fn")
        seen = torch.is_grad_enabled() and not torch.compiler.is_compiling()
        if recompute is not None and metadata is not None and seen:
            inside = _captured(recompute)
            preserves = bool(inside.get("preserve_rng_state", True))
            region = opened(calling_place(now), name_of(inside.get("fn")), False, preserves)
            if region is not None:
                known["recompute_fn"] = _recomputing(region, recompute)
                known["metadata_fn"] = _saving(region, metadata)
                regions[this] = region
        begin(*given.args, **given.kwargs)

    def check_recomputed_tensors_match(this: Any, gid: Any) -> None:
        region = regions.get(this)
        if region is None:
            check(this, gid)
            return
        kept = _recomputed_tensors(this, gid)
        region.is_checked = True
        try:
            check(this, gid)
        except checkpoint.CheckpointError as error:
            region.failed(error, kept)
            raise
        finally:
            region.is_checked = False
        region.recomputed(kept)

    patches.replace(frame, "__init__", __init__)
    patches.replace(frame, "check_recomputed_tensors_match", check_recomputed_tensors_match)


def _install_hook(patches: Patches, regions: weakref.WeakKeyDictionary[Any, Region]) -> None:
    hook = checkpoint._checkpoint_hook
    begin: Callable[..., None] = hook.__init__
    enter: Callable[..., Any] = hook.__enter__
    leave: Callable[..., Any] = hook.__exit__

    def __init__(this: Any, frame: Any, *args: Any) -> None:  # noqa: N807
        begin(this, frame, *args)
        this._gradscope_region = regions.get(frame)

    def __enter__(this: Any) -> Any:  # noqa: N807
        entered = enter(this)
        if this._gradscope_region is not None:
            this._gradscope_region.begin()
        return entered

    def __exit__(this: Any, *raised: Any) -> Any:  # noqa: N807
        if this._gradscope_region is not None:
            this._gradscope_region.end()
        return leave(this, *raised)

    patches.replace(hook, "__init__", __init__)
    patches.replace(hook, "__enter__", __enter__)
    patches.replace(hook, "__exit__", __exit__)


def _recomputing(region: Region, recompute: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(recompute)
    def recomputing(*args: Any, **kwargs: Any) -> Any:
        with region.recomputing():
            return recompute(*args, **kwargs)

    return recomputing


def _saving(region: Region, metadata: Callable[[Tensor], Any]) -> Callable[[Tensor], Any]:
    """Torch asks for the metadata of each tensor that the first run saves."""

    def saving(tensor: Tensor) -> Any:
        region.saved(tensor)
        return metadata(tensor)

    return saving


def _recomputed_tensors(frame: Any, gid: Any) -> list[Tensor | None]:
    """What a recomputation saved, in the order of the first run; None for what nobody needs any more."""
    recomputed = frame.recomputed.get(gid, {})
    found = []
    for reference in frame.weak_holders:
        holder = reference()
        handle = holder.handles.get(gid) if holder is not None else None
        found.append(recomputed.get(handle) if handle is not None else None)
    return found


def _captured(function: Any) -> dict[str, Any]:
    """The variables that a function of torch's has captured, as far as they are filled."""
    names = getattr(getattr(function, "__code__", None), "co_freevars", ())
    found = {}
    for name, cell in zip(names, getattr(function, "__closure__", None) or (), strict=False):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # an empty cell
            continue
    return found
