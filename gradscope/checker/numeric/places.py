"""Where in an input the wrong elements lie: some rows, the border, or a range of its values."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from gradscope.checker.numeric.evidence import Evidence
from gradscope.checker.point import Point
from gradscope.facts.checks import Pattern

_MOST_NAMED = 4
_FEWEST = 3

Agree = Callable[[Tensor], bool]
"""Whether the gradients of some coordinates, tried together, agree."""


def place_of(evidence: Evidence, point: Point, agree: Agree) -> tuple[Pattern, str] | None:
    """In plain words ("only in row 3"); None where the wrong elements have nothing in common."""
    if bool(evidence.wrong.all()):
        return None
    if evidence.at.like.dim() == 1 and int(evidence.wrong.sum()) > _MOST_NAMED:
        return _region(evidence, point) or _rows(evidence, agree)
    return _rows(evidence, agree) or _border(evidence, agree) or _region(evidence, point)


def _rows(evidence: Evidence, agree: Agree) -> tuple[Pattern, str] | None:
    shape = evidence.at.like.shape
    indices = evidence.indices
    for dimension, length in enumerate(shape):
        wrong = {index[dimension] for index, bad in zip(indices, evidence.wrong.tolist(), strict=True) if bad}
        right = {
            index[dimension] for index, bad in zip(indices, evidence.wrong.tolist(), strict=True) if not bad
        }
        whole = len(shape) == 1 or int(evidence.wrong.sum()) > len(wrong)
        if wrong & right or not whole or len(wrong) == length:
            continue
        if not agree(_others(evidence, dimension, wrong)):
            continue
        named = sorted(wrong)
        at_border = set(named) <= {0, length - 1} and length > 2
        return Pattern.BOUNDARY if at_border else Pattern.ROWS, _named(named, dimension, len(shape), length)
    return None


def _others(evidence: Evidence, dimension: int, wrong: set[int]) -> Tensor:
    """The coordinates of all elements whose index in a dimension is none of the wrong ones."""
    like = evidence.at.like
    index = torch.arange(like.shape[dimension], device="cpu")
    keep = ~torch.isin(index, torch.tensor(sorted(wrong), device="cpu"))
    view = [1] * like.dim()
    view[dimension] = like.shape[dimension]
    mask = keep.reshape(view).expand(like.shape).reshape(-1)
    if like.is_complex():
        mask = mask.repeat_interleave(2)
    return mask.nonzero().flatten()


def _named(wrong: list[int], dimension: int, dimensions: int, length: int) -> str:
    noun = "element" if dimensions == 1 else ("row" if dimension == dimensions - 2 else "")
    if not noun:
        noun = "column" if dimension == dimensions - 1 else f"dimension {dimension}, index"
    if wrong == [0]:
        which = f"the first {noun}" if "dimension" not in noun else f"{noun} 0"
    elif wrong == [length - 1]:
        which = f"the last {noun}" if "dimension" not in noun else f"{noun} {length - 1}, the last"
    else:
        plural = "s" if len(wrong) > 1 and "dimension" not in noun else ""
        more = f" and {len(wrong) - _MOST_NAMED} more" if len(wrong) > _MOST_NAMED else ""
        which = f"{noun}{plural} {', '.join(map(str, wrong[:_MOST_NAMED]))}{more}"
    return f"only in {which}" if dimensions > 1 else f"only {which}"


def _border(evidence: Evidence, agree: Agree) -> tuple[Pattern, str] | None:
    """Wrong along the border of the last two dimensions, right inside."""
    shape = evidence.at.like.shape
    if len(shape) < 2 or min(shape[-2:]) < 3 or evidence.at.like.is_complex():
        return None
    inside = torch.zeros(shape, dtype=torch.bool, device="cpu")
    inside[..., 1:-1, 1:-1] = True
    mask = inside.reshape(-1)
    if bool((mask[evidence.coordinates] & evidence.wrong).any()) or int(evidence.wrong.sum()) < _FEWEST:
        return None
    if not agree(mask.nonzero().flatten()):
        return None
    return Pattern.BOUNDARY, "only along the border"


def _region(evidence: Evidence, point: Point) -> tuple[Pattern, str] | None:
    """Wrong where the input lies above or below some value, right elsewhere."""
    wrong, values = evidence.wrong, evidence.values
    if evidence.at.like.is_complex() or min(int(wrong.sum()), int((~wrong).sum())) < _FEWEST:
        return None
    name = evidence.at.name
    for text, number in ((name, values), (f"|{name}|", values.abs())):
        for sign, word in ((1.0, ">"), (-1.0, "<")):
            inside, outside = sign * number[wrong], sign * number[~wrong]
            low, high = float(outside.max()), float(inside.min())
            if low < high:
                edge, exact = _edge(min(sign * low, sign * high), max(sign * low, sign * high), point)
                return Pattern.REGION, f"only where {text} {word} {'' if exact else 'about '}{edge}"
    return None


def _edge(low: float, high: float, point: Point) -> tuple[str, bool]:
    """The value between two that is most likely meant."""
    for name, value in _scalars(point):
        if low <= value <= high:
            return f"{name}={value:g}", True
    for value in (0.0, 1.0, -1.0):
        if low <= value <= high:
            return f"{value:g}", True
    return f"{(low + high) / 2:.3g}", False


def _scalars(point: Point) -> Iterator[tuple[str, float]]:
    for name, leaf in zip(point.names, point.leaves, strict=True):
        if isinstance(leaf, int | float) and not isinstance(leaf, bool):
            yield name, float(leaf)
