"""The ops that selective checkpointing does not run again: matrix products, convolutions and attention."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import torch

_NAMES: Final = (
    "mm.default",
    "addmm.default",
    "_addmm_activation.default",
    "bmm.default",
    "baddbmm.default",
    "addbmm.default",
    "linear.default",
    "_scaled_mm.default",
    "_grouped_mm.default",
    "convolution.default",
    "convolution_overrideable.default",
)
_OF_ATTENTION: Final = (
    "_scaled_dot_product_flash_attention.default",
    "_scaled_dot_product_flash_attention_for_cpu.default",
    "_scaled_dot_product_efficient_attention.default",
    "_scaled_dot_product_cudnn_attention.default",
    "_scaled_dot_product_fused_attention_overrideable.default",
)


def _found(names: Iterable[str]) -> dict[Any, str]:
    """The ops of those names that this torch has."""
    ops: dict[Any, str] = {}
    for name in names:
        packet, _, overload = name.partition(".")
        op = getattr(getattr(torch.ops.aten, packet, None), overload, None)
        if op is not None:
            ops[op] = name
    return ops


PRODUCTS: Final = _found(_NAMES + _OF_ATTENTION)
"""The ops that a selective checkpoint may keep the outputs of, and their names."""

ATTENTION: Final = frozenset(_OF_ATTENTION)
"""The names of those of them that are attention as a whole."""

_RANDOM: Final = frozenset(_found(_OF_ATTENTION))


def is_random(op: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether an op of attention draws its own dropout.

    Its output must not be kept: a recomputation that leaves it out draws other numbers from then on.
    """
    if op not in _RANDOM:
        return False
    for place, argument in enumerate(op._schema.arguments):
        if argument.name == "dropout_p":
            given = kwargs.get("dropout_p", args[place] if place < len(args) else 0.0)
            return bool(given > 0.0)
    return False


def ops_named(names: Iterable[str]) -> list[Any]:
    """The ops of those names, in their order."""
    by_name = {name: op for op, name in PRODUCTS.items()}
    return [by_name[name] for name in names]
