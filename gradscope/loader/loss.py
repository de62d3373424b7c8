"""From a module's output to the scalar that backward starts from."""

from __future__ import annotations

import importlib
import inspect
import os
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any

import torch
from torch.nn import functional

from gradscope.errors import UsageError, did_you_mean
from gradscope.loader.expressions import describe
from gradscope.loader.importing import attribute_of, import_target, is_file_of
from gradscope.loader.inputs import Inputs
from gradscope.loader.options import LOSSES
from gradscope.loader.target import parse_target

Note = Callable[[str], None]
Loss = Callable[[Any, Inputs, Note], torch.Tensor]

TARGET_SEED = 0
"""The seed of the generator that the targets of mse and cross_entropy are drawn from."""


def check_loss(spec: str | None) -> None:
    """Raises UsageError for a `--loss` that is neither one of the table nor of the form `file.py:fn`."""
    if spec is None or spec in _NAMED:
        return
    if ":" not in spec:
        names = ", ".join(LOSSES)
        raise UsageError(
            f"--loss {spec} is not a loss{did_you_mean(spec, LOSSES)}",
            try_next=f"one of {names}, or a function of yours: --loss losses.py:my_loss",
        )
    parse_target([spec])


def find_loss(spec: str | None, imported: ModuleType | None = None) -> Loss:
    """The loss that `--loss` names: one of the table, a `file.py:fn`, or by default what the output offers.

    Raises UsageError for a name that is neither. A file is not run again where it is that of the module
    `imported`. A function of the user's is called with the output,
    and with the positional inputs after it where it takes more than one argument.
    """
    if spec is None:
        return _offered
    if spec in _NAMED:
        return _NAMED[spec]
    check_loss(spec)
    target = parse_target([spec])
    known = imported is not None and is_file_of(imported, target)
    function = attribute_of(imported if imported and known else _imported_beside(target), target)
    if not callable(function):
        raise UsageError(f"--loss {spec} is of type {type(function).__name__}, not a function")
    return _calling(spec, function)


def _imported_beside(target: Any) -> ModuleType:
    """Imports without moving `sys.argv` and `sys.path[0]` away from the target that is traced."""
    import sys

    argv, path0 = list(sys.argv), sys.path[0]
    try:
        return import_target(target)
    finally:
        folder = sys.path[0]
        sys.argv[:], sys.path[0] = argv, path0
        if os.path.isdir(folder) and folder not in sys.path:
            sys.path.append(folder)
        importlib.invalidate_caches()


def _calling(spec: str, function: Callable[..., Any]) -> Loss:
    def loss(output: Any, inputs: Inputs, note: Note) -> torch.Tensor:
        found = function(output, *inputs.args) if _takes_inputs(function) else function(output)
        return _checked(found, f"--loss {spec} returned")

    return loss


def _takes_inputs(function: Callable[..., Any]) -> bool:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    needed = [p for p in parameters if p.default is p.empty or p.kind is p.VAR_POSITIONAL]
    return len([p for p in needed if p.kind not in (p.KEYWORD_ONLY, p.VAR_KEYWORD)]) > 1


def _checked(found: Any, whose: str) -> torch.Tensor:
    if not isinstance(found, torch.Tensor):
        raise UsageError(f"{whose} {describe(found)}; backward needs a tensor with one element")
    if found.numel() != 1:
        raise UsageError(
            f"{whose} a tensor of shape {tuple(found.shape)}; backward needs one with one element",
            try_next="return its mean() or sum()",
        )
    return found


def _offered(output: Any, inputs: Inputs, note: Note) -> torch.Tensor:
    offered = _loss_of(output)
    if offered is not None:
        return offered
    scalars = [(name, t) for name, t in _tensors(output) if t.numel() == 1 and t.is_floating_point()]
    if len(scalars) == 1:
        name, found = scalars[0]
        if name:
            note(f"loss: {name} of the output, its only scalar")
        return found
    tensor = _main_tensor(output, note)
    note(f"loss: the mean of the output, {describe(tensor)}; another one with --loss")
    return tensor.mean()


def _loss_of(output: Any) -> torch.Tensor | None:
    found = output.get("loss") if isinstance(output, Mapping) else getattr(output, "loss", None)
    return found if isinstance(found, torch.Tensor) and found.numel() == 1 else None


def _tensors(output: Any, name: str = "") -> Iterable[tuple[str, torch.Tensor]]:
    if isinstance(output, torch.Tensor):
        yield name, output
    elif isinstance(output, Mapping):
        for key, part in output.items():
            yield from _tensors(part, f"{name}[{key!r}]")
    elif isinstance(output, list | tuple):
        for index, part in enumerate(output):
            yield from _tensors(part, f"{name}[{index}]")
    elif hasattr(output, "__dict__"):
        for key, part in vars(output).items():
            if isinstance(part, torch.Tensor):
                yield f"{name}.{key}", part


def _main_tensor(output: Any, note: Note) -> torch.Tensor:
    """The output itself, or the first floating-point tensor in it."""
    for name, tensor in _tensors(output):
        if tensor.is_floating_point() or tensor.is_complex():
            if name:
                note(f"loss: taken from {name} of the output")
            return tensor.abs() if tensor.is_complex() else tensor
    raise UsageError(
        f"the output has no floating-point tensor to take a loss from: {describe(output)[:200]}",
        try_next="a function of yours makes one: --loss losses.py:my_loss",
    )


def _mean(output: Any, inputs: Inputs, note: Note) -> torch.Tensor:
    return _main_tensor(output, note).mean()


def _sum(output: Any, inputs: Inputs, note: Note) -> torch.Tensor:
    return _main_tensor(output, note).sum()


def _mse(output: Any, inputs: Inputs, note: Note) -> torch.Tensor:
    tensor = _main_tensor(output, note)
    target = torch.randn(tensor.shape, generator=torch.Generator().manual_seed(TARGET_SEED))
    note(f"loss: mse against random normal targets, seed {TARGET_SEED}")
    return functional.mse_loss(tensor, target.to(device=tensor.device, dtype=tensor.dtype))


def _cross_entropy(output: Any, inputs: Inputs, note: Note) -> torch.Tensor:
    logits = _main_tensor(output, note)
    if logits.dim() == 0:
        raise UsageError(
            "--loss cross_entropy needs scores for several classes, and the output is one number"
        )
    # (N, C) and images (N, C, H, W) have classes second; sequences (N, T, C) have them last.
    dimension = logits.dim() - 1 if logits.dim() in (1, 2, 3) else 1
    scores = logits.movedim(dimension, -1).flatten(0, -2) if logits.dim() > 1 else logits.unsqueeze(0)
    classes = scores.shape[-1]
    generator = torch.Generator().manual_seed(TARGET_SEED)
    labels = torch.randint(0, classes, (scores.shape[0],), generator=generator)
    what = f"the {classes} classes of dimension {dimension}"
    note(f"loss: cross_entropy over {what}, random labels, seed {TARGET_SEED}")
    return functional.cross_entropy(scores, labels.to(scores.device))


_NAMED: Mapping[str, Loss] = {"mean": _mean, "sum": _sum, "mse": _mse, "cross_entropy": _cross_entropy}
assert tuple(_NAMED) == LOSSES
