"""Forward mode, where it is defined: <v, J u> must be <J^T v, u>."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.autograd import forward_ad

from gradscope.checker.cases import Setting, case, failed, not_applicable, not_checked, passed
from gradscope.checker.cases._forms import Reference, apart, gradients_of, quiet, reference
from gradscope.checker.cases._passes import ProgramRaised, cotangents_for
from gradscope.checker.cases._values import inner
from gradscope.checker.duals import make_dual, unpack_dual
from gradscope.checker.point import Point, is_differentiable, tensors_of
from gradscope.checker.raised import raised, raised_at
from gradscope.facts.checks import NO_TIME, Cause, Facts, ReturnFault, SubjectKind, WrongGradient, WrongReturn
from gradscope.loader.generators import seeded
from gradscope.recorder.stats import unravelled

NAME = "forward mode"
_WAY = "jvp"
_PROBES = 3


@case(NAME, 44)
def forward_mode(setting: Setting) -> Facts:
    """Random tangents, all inputs at once, then each alone."""
    function = setting.subject.function
    if function is not None and function.jvp is torch.autograd.Function.jvp:
        return not_applicable(NAME, "no jvp is defined")
    if setting.subject.kind is SubjectKind.CUSTOM_OP:
        return not_applicable(NAME, "a custom op has none")
    base = reference(setting)
    if isinstance(base, str):
        return not_checked(NAME, base)
    point = base.point
    try:
        for number in range(_PROBES):
            if setting.deadline.is_over:
                return not_checked(NAME, NO_TIME)
            tangents = cotangents_for(point.tensors, seed=100 + number)
            found = _jvp(point, tangents)
            if not _disagrees(base, tangents, found):
                continue
            if setting.deliberate:
                return not_checked(NAME, "it differs from reverse mode, which is approximate on purpose")
            wrong = _located(base, tangents)
            if wrong is not None:
                return Facts(failed(NAME, f"input {wrong.input_name}"), wrong_gradients=(wrong,))
    except ProgramRaised as error:
        return _raising(setting, error.error)
    return passed(NAME, "as reverse mode")


def _raising(setting: Setting, error: Exception) -> Facts:
    if isinstance(error, NotImplementedError) or setting.subject.function is None:
        return not_applicable(NAME, raised(error))
    fault = WrongReturn(
        ReturnFault.RAISES,
        None,
        "",
        "tangents",
        "an exception",
        condition="only in forward mode (jvp)",
        error=raised(error),
        location=raised_at(error),
    )
    return Facts(failed(NAME, f"jvp raises {raised(error)}"), wrong_returns=(fault,))


def _jvp(point: Point, tangents: Sequence[Tensor]) -> list[Tensor]:
    """The tangents of the differentiable outputs, zeros where there is none."""
    given = point.fresh()
    with quiet(), torch.enable_grad(), forward_ad.dual_level():
        for index, tangent in zip(point.active, tangents, strict=True):
            given[index] = make_dual(given[index], tangent.clone())
        try:
            returned = point.raw(given)
        except Exception as error:
            raise ProgramRaised(error) from error
        outputs = [one for one in tensors_of(returned) if is_differentiable(one)]
        return [_tangent(one) for one in outputs]


def _tangent(output: Tensor) -> Tensor:
    _, tangent = unpack_dual(output)
    detached = output.detach()
    return torch.zeros_like(detached) if tangent is None else tangent.detach().expand_as(detached).clone()


def _disagrees(base: Reference, tangents: Sequence[Tensor], found: Sequence[Tensor]) -> bool:
    """Whether the two sides differ by more than rounding, for the reference's cotangents."""
    forward = _inner(base.cotangents, found)
    backward = _inner(base.gradients, tangents)
    scale = _size(base.cotangents) * _size(found) + _size(base.gradients) * _size(tangents)
    return not abs(forward - backward) <= 1e-7 * scale + 1e-15


def _inner(ones: Sequence[Tensor], others: Sequence[Tensor]) -> float:
    return sum(inner(one, other) for one, other in zip(ones, others, strict=True))


def _size(tensors: Sequence[Tensor]) -> float:
    return math.sqrt(sum(float(torch.linalg.vector_norm(each)) ** 2 for each in tensors))


def _located(base: Reference, tangents: Sequence[Tensor]) -> WrongGradient | None:
    """The worst element of the worst input, and the output element it reaches; None at a kink.

    The tangent is halved until one element is left: the product is linear in it.
    """
    point = base.point
    right = gradients_of(point)
    number = max(range(len(tangents)), key=lambda each: _difference(base, _only(tangents, each)))
    low, high = 0, tangents[number].numel()
    while high - low > 1:
        middle = (low + high) // 2
        halves = [_only(tangents, number, *span) for span in ((low, middle), (middle, high))]
        first, second = (_difference(base, half) for half in halves)
        low, high = (low, middle) if first >= second else (middle, high)
    ones = [torch.ones_like(each) for each in tangents]
    chosen = _only(ones, number, low, high)
    column = _jvp(point, chosen)
    expected = _column(point, chosen)
    if expected is None:
        return None
    numerical, left, uncertainty = expected
    marks = apart(column, numerical)
    if not any(bool(mark.any()) for mark in marks):
        return None
    outputs = [
        (column[each] - numerical[each]).abs().nan_to_num(math.inf) * marks[each]
        for each in range(len(marks))
    ]
    output = max(
        range(len(outputs)),
        key=lambda each: float(outputs[each].max()) if outputs[each].numel() else 0.0,
    )
    place = int(outputs[output].reshape(-1).argmax())
    entry = [each[output].reshape(-1)[place] for each in (column, numerical, *left)]
    ours, value, one, other = (float(each.real) for each in entry)
    if min(one, other) - uncertainty <= ours <= max(one, other) + uncertainty:
        return None
    cotangents = [torch.zeros_like(each) for each in base.cotangents]
    cotangents[output].view(-1)[place] = 1
    reverse = float(right(cotangents)[number].reshape(-1)[low].real)
    if abs(reverse - ours) < abs(value - ours) / 2:
        return None  # reverse mode sides with jvp there: another check tells it
    return WrongGradient(
        input=number,
        input_name=point.name(number),
        element=unravelled(low, point.tensors[number].shape),
        output=output,
        output_element=unravelled(place, base.cotangents[output].shape),
        analytical=ours,
        numerical=value,
        uncertainty=uncertainty,
        cause=Cause.FORMULA,
        wrong=1,
        looked_at=1,
        way=_WAY,
    )


def _difference(base: Reference, tangents: Sequence[Tensor]) -> float:
    forward = _inner(base.cotangents, _jvp(base.point, tangents))
    found = abs(forward - _inner(base.gradients, tangents))
    return found if math.isfinite(found) else math.inf


def _only(tangents: Sequence[Tensor], number: int, low: int = 0, high: int | None = None) -> list[Tensor]:
    """Tangents that are zero but for these elements of one input."""
    kept = [torch.zeros_like(each, memory_format=torch.contiguous_format) for each in tangents]
    kept[number].view(-1)[low:high] = tangents[number].reshape(-1)[low:high]
    return kept


_STEP = 1e-3


def _column(
    point: Point, tangents: Sequence[Tensor]
) -> tuple[list[Tensor], tuple[list[Tensor], list[Tensor]], float] | None:
    """The numerical derivative along a tangent, the two one-sided ones, and an uncertainty.

    None where forward raises next to the point, or is not finite there.
    """

    def at(distance: float) -> list[Tensor]:
        moved = {
            index: point.leaves[index] + distance * tangent
            for index, tangent in zip(point.active, tangents, strict=True)
        }
        with quiet(), seeded():
            return point.values(moved)

    try:
        here, ahead, behind, far_ahead, far_behind = map(at, (0.0, _STEP / 2, -_STEP / 2, _STEP, -_STEP))
    except Exception:  # noqa: BLE001  the user's forward may refuse other values
        return None
    close = [(one - other) / _STEP for one, other in zip(ahead, behind, strict=True)]
    wide = [(one - other) / (2 * _STEP) for one, other in zip(far_ahead, far_behind, strict=True)]
    numerical = [(4 * one - other) / 3 for one, other in zip(close, wide, strict=True)]
    if not all(bool(torch.isfinite(each).all()) for each in numerical):
        return None
    uncertainty = max(float((one - other).abs().max()) for one, other in zip(close, wide, strict=True))
    right = [2 * (one - other) / _STEP for one, other in zip(ahead, here, strict=True)]
    left = [2 * (one - other) / _STEP for one, other in zip(here, behind, strict=True)]
    return numerical, (left, right), uncertainty / 3 + 1e-10
