"""The doors through which torch itself changes gradients or steps: all but the engine and the optimizers.

A program that imported one of these functions by name before the recorder came keeps the original.
`clip_grad_norm_` is seen all the same, because it looks its inner function up when it runs.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler
from torch.nn.utils import clip_grad
from torch.optim import lr_scheduler
from torch.optim.optimizer import Optimizer

from gradscope.recorder.patches import Patches

if TYPE_CHECKING:
    from gradscope.recorder.order import OrderWatch


_DEEPEST = 12  # frames between a scheduler's constructor and its step, subclasses of the program's included


def install(patches: Patches, order: OrderWatch) -> None:
    """Wraps them all."""
    _wrap_zeroing(patches, order)
    _wrap_clipping(patches, order)
    _wrap_scaler(patches, order)
    _wrap_schedulers(patches, order)


def _is_compiling() -> bool:
    return bool(torch.compiler.is_compiling())


def _wrap_zeroing(patches: Patches, order: OrderWatch) -> None:
    zero_optimizer: Any = Optimizer.zero_grad
    zero_module: Any = nn.Module.zero_grad

    @functools.wraps(zero_optimizer)
    def zero_optimizer_and_tell(this: Any, *args: Any, **kwargs: Any) -> Any:
        result = zero_optimizer(this, *args, **kwargs)
        if not _is_compiling():
            order.tell(order.zeroed, [p for group in this.param_groups for p in group["params"]])
        return result

    @functools.wraps(zero_module)
    def zero_module_and_tell(this: Any, *args: Any, **kwargs: Any) -> Any:
        result = zero_module(this, *args, **kwargs)
        if not _is_compiling():
            order.tell(order.zeroed, this.parameters())
        return result

    patches.replace(Optimizer, "zero_grad", zero_optimizer_and_tell)
    patches.replace(nn.Module, "zero_grad", zero_module_and_tell)


def _wrap_clipping(patches: Patches, order: OrderWatch) -> None:
    def wrapped(clip: Callable[..., Any], limit_name: str) -> Callable[..., Any]:
        @functools.wraps(clip)
        def clip_and_tell(parameters: Any, *args: Any, **kwargs: Any) -> Any:
            if _is_compiling():
                return clip(parameters, *args, **kwargs)
            leaves = [parameters] if isinstance(parameters, Tensor) else list(parameters)
            limit = args[0] if args else kwargs.get(limit_name, 0.0)
            order.tell(order.clipping, leaves, limit)
            result = clip(leaves, *args, **kwargs)
            order.tell(order.noted, leaves)
            return result

        return clip_and_tell

    by_norm = wrapped(clip_grad._clip_grads_with_norm_, "max_norm")
    by_value = wrapped(clip_grad.clip_grad_value_, "clip_value")
    patches.replace(clip_grad, "_clip_grads_with_norm_", by_norm)
    patches.replace(nn.utils, "clip_grads_with_norm_", by_norm)
    patches.replace(clip_grad, "clip_grad_value_", by_value)
    patches.replace(nn.utils, "clip_grad_value_", by_value)


def _wrap_scaler(patches: Patches, order: OrderWatch) -> None:
    scale, unscale, step, get_scale, update = (
        GradScaler.scale,
        GradScaler.unscale_,
        GradScaler.step,
        GradScaler.get_scale,
        GradScaler.update,
    )

    @functools.wraps(scale)
    def scale_and_tell(this: Any, outputs: Any) -> Any:
        result: Any = scale(this, outputs)
        if this.is_enabled():
            order.tell(order.scaled, result, this)
        return result

    @functools.wraps(unscale)
    def unscale_and_tell(this: Any, optimizer: Any) -> None:
        order.tell(order.unscaling, optimizer)
        unscale(this, optimizer)
        if this.is_enabled():
            order.tell(order.unscaled, optimizer)

    @functools.wraps(step)
    def step_and_tell(this: Any, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        mark = order.scaler_steps(optimizer)
        try:
            return step(this, optimizer, *args, **kwargs)
        finally:
            order.tell(order.scaler_stepped, optimizer, mark)

    @functools.wraps(get_scale)
    def get_scale_and_tell(this: Any) -> float:
        order.scale_read()
        return get_scale(this)

    @functools.wraps(update)
    def update_and_tell(this: Any, *args: Any, **kwargs: Any) -> None:
        update(this, *args, **kwargs)
        if this.is_enabled():
            order.tell(order.updated)

    patches.replace(GradScaler, "update", update_and_tell)
    patches.replace(GradScaler, "scale", scale_and_tell)
    patches.replace(GradScaler, "unscale_", unscale_and_tell)
    patches.replace(GradScaler, "step", step_and_tell)
    patches.replace(GradScaler, "get_scale", get_scale_and_tell)


def _wrap_schedulers(patches: Patches, order: OrderWatch) -> None:
    schedule: Any = lr_scheduler.LRScheduler.step

    @functools.wraps(schedule)
    def schedule_and_tell(this: Any, epoch: Any = None) -> Any:
        if epoch is None and not _constructing(sys._getframe(1)):
            order.tell(order.scheduled, this)
        return schedule(this, epoch) if epoch is not None else schedule(this)

    patches.replace(lr_scheduler.LRScheduler, "step", schedule_and_tell)


def _constructing(frame: FrameType | None) -> bool:
    """Whether a scheduler's constructor calls: it sets the first value by a step of its own."""
    for _ in range(_DEEPEST):
        if frame is None:
            return False
        if frame.f_code.co_name == "__init__" and frame.f_code.co_filename == lr_scheduler.__file__:
            return True
        frame = frame.f_back
    return False
