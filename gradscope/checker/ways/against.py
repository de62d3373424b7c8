"""`--against file.py:df`: a derivative written by hand, against the function's own gradient."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from gradscope.checker.point import Deadline, Pass, Point
from gradscope.checker.ways.by_hand import ByHand, Mismatch
from gradscope.facts.checks import (
    Cause,
    CheckOutcome,
    Facts,
    Outcome,
    Pattern,
    ReturnFault,
    WrongGradient,
    WrongReturn,
)
from gradscope.recorder.stats import unravelled

_AROUND = (0.1, 1.0, 1.0, 3.0)
"""How far the further points lie from the sample, in its own root mean square (1 where that is 0)."""

_TOLERANCE = 1e-6
"""Relative: both are computed in float64, and constants in hand-written formulas are often rounded."""

_LOW_TOLERANCE = 1e-3
"""Relative, where one of the two was computed in float32 or less."""

_MOST_KINKS = 64
_STEP = 1e-5
_SEED = 20


@dataclass(slots=True)
class _Seen:
    """Everything that was compared of one input; the tensors of all points, flattened, in order."""

    by_hand: list[Tensor] = field(default_factory=list)
    own: list[Tensor] = field(default_factory=list)
    wrong: list[Tensor] = field(default_factory=list)
    jacobian: bool = False


def against(point: Point, derivative: Callable[..., Any], deadline: Deadline, *, name: str = "") -> Facts:
    """Compares what `derivative` returns for the same arguments with the gradient that autograd computes.

    A tensor shaped like its input is the gradient of the sum of the outputs, so that an elementwise function
    and its derivative have one shape; one shaped like output and input together is the Jacobian. A number
    holds for every element. Besides the sample, random points around it are compared, where the function
    and its gradient are finite. A value between the one-sided derivatives of a kink is right.
    """
    by_hand = ByHand.of(derivative, name)
    check = f"against {by_hand.name}"
    if any(tensor.is_complex() for tensor in point.tensors):
        return Facts(CheckOutcome(check, Outcome.NOT_APPLICABLE, "an input is complex"))
    seen = [_Seen() for _ in point.active]
    points = kinks = 0
    for here in _points(point):
        if points and deadline.is_over:
            break
        run = _finite(here)
        if run is None:
            continue
        try:
            kinks += _compare(here, run, by_hand, seen)
        except Mismatch as mismatch:
            outcome = CheckOutcome(check, Outcome.FAILED, _told(by_hand.name, mismatch.fault))
            return Facts(outcome, wrong_returns=(mismatch.fault,))
        points += 1
    if not points:
        return Facts(CheckOutcome(check, Outcome.NOT_CHECKED, "the function has no finite gradient here"))
    wrong = tuple(_wrong_gradients(point, by_hand, seen))
    notes = (_kink_note(by_hand.name),) if kinks else ()
    if wrong:
        return Facts(CheckOutcome(check, Outcome.FAILED, f"input {wrong[0].input_name}"), wrong, notes=notes)
    relative = max((_relative(one) for one in seen if one.own), default=0.0)
    told = f"{points} point{'s' if points > 1 else ''}, {relative:.0e}"
    return Facts(CheckOutcome(check, Outcome.PASSED, told), agreement=relative, notes=notes)


def _told(name: str, fault: WrongReturn) -> str:
    if fault.fault is ReturnFault.RAISES:
        return f"{name} raises {fault.error}"
    where = f" for {fault.input_name}" if fault.input_name else ""
    return f"{name} returns {fault.got}{where}, expected {fault.expected}"


def _kink_note(name: str) -> str:
    return f"at a kink {name} and autograd differ, and both lie between the one-sided derivatives"


def _points(point: Point) -> Iterator[Point]:
    """The sample, then points around it, from a generator of our own."""
    yield point
    generator = torch.Generator().manual_seed(_SEED)
    for distance in _AROUND:
        changed = {}
        for index in point.active:
            tensor: Tensor = point.leaves[index]
            scale = float(tensor.abs().square().mean().sqrt()) if tensor.numel() else 1.0
            direction = torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
            changed[index] = tensor + distance * (scale or 1.0) * direction.to(tensor)
        yield point.with_leaves(changed)


def _finite(point: Point) -> Pass | None:
    """An evaluation with a graph; None where the function raises or is not finite: outside of its domain."""
    try:
        run = point.differentiable()
    except Exception:  # noqa: BLE001  the user's forward may raise anything
        return None
    return run if all(bool(torch.isfinite(output).all()) for output in run.outputs) else None


def _compare(point: Point, run: Pass, by_hand: ByHand, seen: list[_Seen]) -> int:
    """Adds one point to what was seen; returns how many elements lie at a kink."""
    flat = torch.cat([output.reshape(-1) for output in run.outputs])
    kinks = 0
    for number, value in by_hand.values(point).items():
        expected = _expected(point, run, number, value, by_hand)
        own = _rows(run, flat, number) if expected.dim() == 2 else _rows(run, flat.sum()[None], number)[0]
        if not bool(torch.isfinite(own).all()):
            continue
        wrong = _differs(expected.double(), own.double(), _is_low(value, flat))
        if wrong.any() and expected.dim() == 1:
            apart = wrong.clone()
            kinks += _accept_kinks(point, number, expected, wrong)
            expected = torch.where(apart & ~wrong, own.to(expected), expected)
        one = seen[number]
        one.jacobian = expected.dim() == 2
        one.by_hand.append(expected.double())
        one.own.append(own.double())
        one.wrong.append(wrong)
    return kinks


def _expected(point: Point, run: Pass, number: int, value: Tensor | float, by_hand: ByHand) -> Tensor:
    """What was written by hand as a gradient of shape (n,) or a Jacobian of shape (m, n)."""
    leaf = run.inputs[number]
    if isinstance(value, float):
        return torch.full((leaf.numel(),), value, dtype=leaf.dtype, device=leaf.device)
    shapes = [tuple(leaf.shape)]
    if value.shape == leaf.shape or value.numel() == leaf.numel() == 1:
        return value.to(leaf.device).reshape(-1)
    if len(run.outputs) == 1:
        output = run.outputs[0]
        if value.shape == (*output.shape, *leaf.shape):
            return value.to(leaf.device).reshape(output.numel(), leaf.numel())
        if output.dim():
            shapes.append((*output.shape, *leaf.shape))
    expected = " or ".join(f"shape {shape}" for shape in shapes)
    raise by_hand.mismatch(
        ReturnFault.SHAPE, expected, f"shape {tuple(value.shape)}", number, point.name(number)
    )


def _rows(run: Pass, flat: Tensor, number: int) -> Tensor:
    """d flat / d one input, of shape (len(flat), n)."""
    leaf = run.inputs[number]
    rows = []
    for element in flat:
        row = None
        if element.requires_grad:
            (row,) = torch.autograd.grad(element, [leaf], retain_graph=True, allow_unused=True)
        rows.append((torch.zeros_like(leaf) if row is None else row.detach()).reshape(-1))
    return torch.stack(rows) if rows else leaf.new_zeros((0, leaf.numel()))


def _is_low(value: Tensor | float, flat: Tensor) -> bool:
    dtypes = [flat.dtype, *([value.dtype] if isinstance(value, Tensor) else [])]
    return any(dtype.is_floating_point and torch.finfo(dtype).eps > 1e-10 for dtype in dtypes)


def _differs(by_hand: Tensor, own: Tensor, low: bool) -> Tensor:
    tolerance = _LOW_TOLERANCE if low else _TOLERANCE
    largest = own.abs().max() if own.numel() else own.new_zeros(())
    room = tolerance * torch.maximum(by_hand.abs(), own.abs()) + tolerance * 1e-3 * largest + 1e-12
    return ~((by_hand - own).abs() <= room)  # NaN differs from everything


def _accept_kinks(point: Point, number: int, by_hand: Tensor, wrong: Tensor) -> int:
    """Takes those elements out of `wrong` where a kink lies and the value is between its two slopes."""
    index = point.active[number]
    center: Tensor = point.leaves[index]
    accepted = 0
    for i in wrong.nonzero().flatten().tolist()[:_MOST_KINKS]:
        step = _STEP * max(1.0, abs(float(center.flatten()[i])))
        slopes = [_slope(point, index, i, side * step) for side in (-1.0, 1.0)]
        low, high = min(slopes), max(slopes)
        room = 1e-4 * max(abs(low), abs(high), 1e-8)
        if high - low > 10 * room and low - room <= float(by_hand[i]) <= high + room:
            wrong[i] = False
            accepted += 1
    return accepted


def _slope(point: Point, index: int, element: int, step: float) -> float:
    moved = point.leaves[index].clone(memory_format=torch.contiguous_format)
    moved.view(-1)[element] += step
    there, here = (
        float(sum(t.double().sum() for t in point.values(changed))) for changed in ({index: moved}, {})
    )
    return (there - here) / step


def _relative(seen: _Seen) -> float:
    own, by_hand = (torch.cat([t.flatten() for t in tensors]) for tensors in (seen.own, seen.by_hand))
    norm = float(own.norm())
    return float((own - by_hand).norm()) / (norm or 1.0)


# ---------------------------------------------------------------- what is told


def _wrong_gradients(point: Point, by_hand: ByHand, seen: list[_Seen]) -> Iterator[WrongGradient]:
    """One for each input that is wrong anywhere: its worst element at the first point where it is."""
    for number, one in enumerate(seen):
        at = next((i for i, wrong in enumerate(one.wrong) if wrong.any()), None)
        if at is None:
            continue
        mine, own, wrong = one.by_hand[at], one.own[at], one.wrong[at]
        gap = torch.where(wrong, (mine - own).abs().nan_to_num(nan=torch.inf), -1.0)
        worst = int(gap.argmax())
        row, column = divmod(worst, mine.shape[-1]) if one.jacobian else (None, worst)
        pattern, text = _pattern(one)
        yield WrongGradient(
            input=number,
            input_name=point.name(number),
            element=unravelled(column, point.tensors[number].shape),
            output=0,
            output_element=None if row is None else (row,),
            analytical=float(mine.flatten()[worst]),
            numerical=float(own.flatten()[worst]),
            uncertainty=0.0,
            cause=Cause.FORMULA,
            pattern=pattern,
            pattern_text=text,
            wrong=int(wrong.sum()),
            looked_at=wrong.numel(),
            condition="not at the sample, but at points around it" if at else "",
            way="against",
            location=by_hand.location,
            against=by_hand.name,
        )


def _pattern(seen: _Seen) -> tuple[Pattern, str]:
    """A constant factor or offset over all points, where there is one."""
    own, mine = (torch.cat([t.flatten() for t in tensors]) for tensors in (seen.own, seen.by_hand))
    if not bool(torch.isfinite(mine).all()):
        return Pattern.NONE, ""
    if not mine.any():
        return Pattern.ZERO, "every element is 0"
    telling = own.abs() > 1e-6 * own.abs().max()
    ratios = (mine / own)[telling]
    if len(ratios) > 1 and not mine[~telling].any() and _is_constant(ratios):
        factor = float(ratios.mean())
        return (
            (Pattern.SIGN, "every element has the wrong sign")
            if abs(factor + 1) < _TOLERANCE
            else (Pattern.FACTOR, f"every element is {factor:.6g} times what it should be")
        )
    if len(own) > 1 and _is_constant(mine - own):
        return Pattern.OFFSET, f"every element is off by {float((mine - own).mean()):.6g}"
    return Pattern.NONE, ""


def _is_constant(values: Tensor) -> bool:
    middle = float(values.mean())
    return float((values - middle).abs().max()) <= 1e-6 * abs(middle)
