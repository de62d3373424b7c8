"""What an LSTM of oneDNN (the CPU's) keeps for its backward: torch's fake kernel says 0 bytes.

The size of that workspace is the library's own. It is asked by running the layer on few time steps: beyond
them it grows by the same amount for each, up to the rounding of its parts to pages.
"""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor
from torch.utils._mode_utils import no_dispatch

OP: Final = torch.ops.aten.mkldnn_rnn_layer.default
_MOST_PRODUCTS: Final = 10**9  # multiplications that one question may cost
_LEAST_STEPS: Final = 8
_TRAIN: Final = 15  # places among the arguments
_BATCH_FIRST: Final = 14
_SIZES: dict[tuple[Any, ...], int] = {}


def workspace_size(args: tuple[Any, ...]) -> int | None:
    """Bytes of the workspace of a call on fake tensors; None where it keeps none, or asking costs much."""
    if not args[_TRAIN]:
        return None
    sequence, hidden = args[0], args[2]
    batch_first = args[_BATCH_FIRST]
    steps = int(sequence.shape[1 if batch_first else 0])
    batch = int(sequence.shape[0 if batch_first else 1])
    cost = batch * int(args[1].numel() + hidden.numel())
    known = min(steps, _MOST_PRODUCTS // max(1, cost))
    if known < min(steps, _LEAST_STEPS):
        return None
    if known == steps:
        return _asked(args, steps, batch)
    half = known // 2
    at_half, at_known = _asked(args, half, batch), _asked(args, known, batch)
    return at_known + (at_known - at_half) * (steps - known) // (known - half)


def _asked(args: tuple[Any, ...], steps: int, batch: int) -> int:
    key = (steps, batch, args[0].dtype, *(tuple(each.shape) for each in args[1:3]), *args[7:])
    key = tuple(tuple(each) if isinstance(each, list) else each for each in key)
    if key not in _SIZES:
        shape = (batch, steps) if args[_BATCH_FIRST] else (steps, batch)
        with no_dispatch():
            sequence = torch.zeros(*shape, args[0].shape[-1], dtype=args[0].dtype)
            rest = [
                torch.zeros(each.shape, dtype=each.dtype) if isinstance(each, Tensor) else each
                for each in args[1:]
            ]
            _SIZES[key] = int(OP(sequence, *rest)[3].nbytes)
    return _SIZES[key]
