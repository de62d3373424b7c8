"""The door of reentrant checkpoints: a custom Function that runs the region without a graph, and again."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.utils import checkpoint

from gradscope.recorder.checkpoints.doors import Opened, calling_place, name_of
from gradscope.recorder.checkpoints.region import Region
from gradscope.recorder.checkpoints.severing import Severing
from gradscope.recorder.now import Now
from gradscope.recorder.patches import Patches

NAMES = ("CheckpointFunction",)


def install(patches: Patches, now: Now, opened: Opened, severing: Severing) -> None:
    """Wraps the Function's `apply`, which it has from its base: others may wrap that one."""
    kind = checkpoint.CheckpointFunction

    def apply(*args: Any) -> Any:
        of_base: Callable[..., Any] = super(kind, kind).apply
        return of_base(*args)

    def watched(function: Any, preserve: Any, *args: Any) -> Any:
        if torch.compiler.is_compiling() or not torch.is_grad_enabled():
            return apply(function, preserve, *args)
        place, name = calling_place(now), name_of(function)
        region = opened(place, name, True, bool(preserve))
        run = functools.partial(_run, region, function) if region is not None else function
        outputs = apply(run, preserve, *args)
        now.guarded("a reentrant checkpoint", severing.called, place, name, args, outputs)
        return outputs

    patches.replace(kind, "apply", staticmethod(watched))


def _run(region: Region, function: Callable[..., Any], *args: Any) -> Any:
    """What is run in place of the function: first without a graph, and then in the backward."""
    if not region.is_begun:
        region.begin()
        outputs: Any = None
        try:
            outputs = function(*args)
        finally:
            region.end(_several(outputs))
        return outputs
    with region.recomputing():
        outputs = function(*args)
    region.returned(_several(outputs))
    return outputs


def _several(outputs: Any) -> Sequence[Any]:
    return outputs if isinstance(outputs, tuple) else (outputs,)
