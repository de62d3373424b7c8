"""What a node has saved, read for its statistics: without the version check, and without side effects.

Raw saved tensors are read. One that has an unpack hook (checkpointing, `save_on_cpu`) is passed over:
unpacking it would run the program's code, or a whole recomputation, once more.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import torch
from torch import Tensor

from gradscope.facts import ValueStats
from gradscope.recorder.stats import has_gradient_dtype, repeated_elements, value_stats

_NUMBERS = ("exponent", "ord", "p")
_SPECTRA = frozenset(("eigenvalues", "L", "S"))
_RAW = "_raw_saved_"
_LARGEST_INDEX = 2**63 - 1  # autograd keeps a padding_idx of -1, for none, as an unsigned number


@cache
def _raw_names(kind: Hashable) -> tuple[str, ...]:
    return tuple(name.removeprefix(_RAW) for name in dir(kind) if name.startswith(_RAW))


def saved_tensors(node: Any) -> Iterator[tuple[str, Tensor]]:
    """Name and tensor of each saved tensor that can be read; nothing for a freed node.

    A list of them is named "indices[0]", those of a custom Function "saved_tensors[0]".
    """
    for name in _raw_names(node.__class__):
        try:
            raw = getattr(node, _RAW + name)
        except RuntimeError:
            continue  # freed
        if isinstance(raw, (tuple, list)):
            for position, one in enumerate(raw):
                tensor = _tensor(one)
                if tensor is not None:
                    yield f"{name}[{position}]", tensor
        else:
            tensor = _tensor(raw)
            if tensor is not None:
                yield name, tensor


def saved_tensor(node: Any, name: str) -> Tensor | None:
    """The saved tensor of that name, None where there is none to be read."""
    if name not in _raw_names(node.__class__):
        return None
    try:
        return _tensor(getattr(node, _RAW + name))
    except RuntimeError:
        return None  # freed


def has_unpack_hook(node: Any) -> bool:
    """Whether unpacking a saved tensor of this node would run somebody's code."""
    for name in _raw_names(node.__class__):
        try:
            raw = getattr(node, _RAW + name)
        except RuntimeError:
            continue  # freed
        for one in raw if isinstance(raw, (tuple, list)) else (raw,):
            if getattr(one, "unpack_hook", None) is not None:
                return True
    return False


def _tensor(raw: Any) -> Tensor | None:
    if getattr(raw, "unpack_hook", None) is not None:
        return None
    tensor = getattr(raw, "data", None)
    return tensor if isinstance(tensor, Tensor) else None


def is_number(tensor: Tensor) -> bool:
    """Whether a saved tensor stands for a Python number: 0-dim, and weak in type promotion."""
    narrower = {torch.float64: torch.float32, torch.int64: torch.int32, torch.complex128: torch.complex64}
    other = narrower.get(tensor.dtype)
    return (
        tensor.dim() == 0
        and other is not None
        and torch.result_type(tensor, torch.empty((), dtype=other)) == other
    )


def saved_stats(node: Any) -> tuple[ValueStats, ...]:
    """Statistics of the saved floating, complex and boolean tensors, and of an exponent or order."""
    found = []
    for name, tensor in saved_tensors(node):
        if not has_gradient_dtype(tensor) and tensor.dtype is not torch.bool:
            continue
        stats = value_stats(name, tensor)
        if name in _SPECTRA:
            stats = replace(stats, repeated=repeated_elements(tensor))
        found.append(stats)
    return (*found, *_saved_numbers(node))


def look_up_stats(node: Any) -> tuple[ValueStats, ...]:
    """The indices of an embedding and its padding_idx, so that they can be compared; () for other nodes."""
    padding, indices = getattr(node, "_saved_padding_idx", None), saved_tensor(node, "indices")
    if padding is None or padding > _LARGEST_INDEX or indices is None or not indices.numel():
        return ()
    return value_stats("indices", indices), _number("padding_idx", padding)


def _saved_numbers(node: Any) -> Iterator[ValueStats]:
    for name in _NUMBERS:
        value = getattr(node, "_saved_" + name, None)
        if isinstance(value, (int, float)):
            yield _number(name, value)


def _number(name: str, value: float) -> ValueStats:
    return ValueStats(name, (), type(value).__name__, 1, int(value == 0), 0, 0, float(value), float(value))
