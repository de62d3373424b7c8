"""Forwards whose derivative nobody means: piecewise constant ones, and the identity."""

from __future__ import annotations

import torch
from torch import Tensor

from gradscope.checker.numeric.coordinates import count, flat
from gradscope.checker.numeric.directional import Directional, Input, direction_over
from gradscope.checker.numeric.gradients import Analytical
from gradscope.checker.numeric.probes import Chance
from gradscope.checker.point import Point

_TINY = 2.0**-26
_PLACES = 4
_MOST_CHANGED = 0.02  # of the outputs may change over a tiny step: elements that lie on a jump


def surrogate(
    point: Point, analytical: Analytical, directional: Directional, at: Input, chance: Chance
) -> str:
    """Why another backward than the derivative is deliberate, in a few words; "" where it is not."""
    if _is_identity(point, analytical, at):
        return "forward returns the input as it is"
    if _is_piecewise_constant(directional, at, chance):
        return "forward is piecewise constant"
    return ""


def _is_identity(point: Point, analytical: Analytical, at: Input) -> bool:
    """Whether some output is bitwise the input, and changes with it alone: not a product with a 1."""
    offset = at.scale * 2.0**-8
    tensor, values = at.moved(offset)
    others = {
        place: point.leaves[place] + 2.0**-8
        for place in point.active
        if place != at.place and point.leaves[place].layout is torch.strided
    }
    for changed, expected in (({}, at.at), ({at.place: tensor}, values), (others, at.at)):
        outputs = analytical.chosen(point.values(changed))
        same = [count(one) == len(at) and torch.equal(flat(one), expected) for one in outputs]
        if not any(same):
            return False
    return True


def _is_piecewise_constant(directional: Directional, at: Input, chance: Chance) -> bool:
    """Whether forward changes over large moves of the input, and at none of several places over tiny ones."""
    forward = directional.forward
    here = forward()
    differs = False
    everywhere = torch.arange(len(at), device="cpu")
    size = float(at.scale.max())
    for number in range(_PLACES):
        move = torch.zeros(len(at), dtype=torch.float64, device="cpu")
        if number:
            move = chance.gaussian(len(at)) * size * 2.0 ** (number - 1)
        direction = direction_over(at, everywhere, chance.signed(len(at))) * _TINY
        low, high = (forward({at.place: at.moved(move + sign * direction)[0]}) for sign in (-1, 1))
        if not (low.isfinite().all() and high.isfinite().all()):
            continue
        changed = _share(low != high)
        if changed > _MOST_CHANGED and (number or changed > 0.5):
            return False
        differs = differs or not torch.equal(high, here)
    return differs


def _share(mask: Tensor) -> float:
    return float(mask.double().mean()) if mask.numel() else 0.0
