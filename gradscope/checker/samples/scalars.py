"""Numbers, flags, words and sizes to try for a parameter."""

from __future__ import annotations

from typing import Any

from gradscope.checker.samples import words
from gradscope.checker.samples.option import D, N, Option, value_of


def scalars(name: str, annotation: str, default: Any, anchor: tuple[int, ...]) -> list[Option]:
    """Numbers, flags, words and sizes for a parameter that seems to be none of the tensors."""
    is_shape = not annotation and words.SHAPES.fullmatch(name) is not None
    if is_shape or "[int" in annotation or "Size" in annotation:
        return [value_of(shape) for shape in (anchor[-1:], anchor, anchor[1:], (2, 2), (1, 1)) if shape]
    kind = annotation.replace("typing.", "").removeprefix("Optional[").rstrip("]").split(" | ")[0]
    if kind == "bool" or (not kind and words.BOOLS.fullmatch(name)):
        return [value_of(True), value_of(False)]
    if kind in ("int", "SymInt"):
        return _ints(name)
    if kind in ("float", "number", "Scalar"):
        return _floats(name)
    if kind == "str":
        return [value_of(text) for text in ("mean", "sum", "none", "relu")]
    if kind:
        return []
    if words.WORDS.fullmatch(name):
        return [value_of(text) for text in ("mean", "sum", "none")] + _ints(name)
    lower, upper = words.LOWS.fullmatch(name), words.HIGHS.fullmatch(name)
    if lower or upper or words.FLOATS.fullmatch(name):
        return _floats(name) + (_ints(name) if lower or upper else [])
    return _ints(name) if words.INTS.fullmatch(name) else []


def _ints(name: str) -> list[Option]:
    if name in ("dim", "axis"):
        values: tuple[int, ...] = (-1, 0, 1)
    elif words.LOWS.fullmatch(name):
        values = (-8, 0, -1)
    elif words.HIGHS.fullmatch(name):
        values = (7, 1, 15)
    elif "pad" in name or name == "offset":
        values = (1, 0, 2)
    elif "bit" in name:
        values = (4, 8, 2)
    elif "group" in name:
        values = (D, 1, 2) if name == "num_groups" else (1, D, 2)
    elif name.startswith(("n_", "num_", "max_")) or name in ("n", "num", "size", "length"):
        values = (N, 6, 2, 1)
    elif name in ("stride", "dilation", "reduction"):
        values = (1, 2, 3)
    else:
        values = (2, 3, 1, N)
    return [value_of(value) for value in values]


def _floats(name: str) -> list[Option]:
    if any(part in name for part in ("eps", "epsilon")):
        return [value_of(1e-5)]
    if words.LOWS.fullmatch(name):
        return [value_of(-0.7)]
    if words.HIGHS.fullmatch(name):
        return [value_of(0.9)]
    if "slope" in name or name in ("p", "prob", "rate", "lr"):
        return [value_of(0.3)]
    return [value_of(0.7), value_of(1.5)]
