"""Arguments that a function may not be made for, inputs without a gradient, and how often it was called."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from gradscope.checker.point import Deadline, Point, Sample
from gradscope.checker.run import Limits, check_function
from gradscope.checker.samples.inference import infer
from gradscope.checker.subjects.discovery import subject_of
from gradscope.engine import judge
from gradscope.facts import CheckedFunction, Outcome, Recording
from gradscope.facts.checks import Cause, Origin
from gradscope.finding import Confidence, Severity
from tests.checker.cases.settings import setting_of


def checked(function: type[Function], *samples: Sample) -> CheckedFunction:
    subject = subject_of(function, function.__name__)
    assert subject is not None
    return check_function(subject, samples or infer(subject, Deadline(10))[0], Limits(19.0))


class RowSoftmax(Function):
    """Made for (rows, columns): the sum is over dimension 1."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y = x.softmax(-1)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        return y * (grad_output - (grad_output * y).sum(1, keepdim=True))


class SoftTargets(Function):
    """Right where the targets of a row add up to one, and gives them no gradient."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, target: Tensor) -> Tensor:
        ctx.save_for_backward(logits, target)
        return -(target * logits.log_softmax(-1)).sum()

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, None]:
        logits, target = ctx.saved_tensors
        return grad_output * (logits.softmax(-1) - target), None


class Halved(RowSoftmax):
    """Wrong for every input."""

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        return RowSoftmax.backward(ctx, grad_output) / 2


class OfAShape(Function):
    """Its backward is made for a bias of another shape than can be found."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor) -> Tensor:
        if x.shape != y.shape:
            raise ValueError
        return x + y

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, Tensor]:
        return grad_output, grad_output.sum(0)


def test_what_is_wrong_only_with_unusual_arguments_is_a_note() -> None:
    found = checked(RowSoftmax)
    assert found.wrong_gradients == ()
    assert len(found.samples) == 1
    (note,) = found.notes
    assert note.startswith("the gradient of `x` is wrong with x float32(2, 4, 3), which gradscope only tried")
    assert not judge(Recording(checked=(found,)))[0]


def test_the_same_arguments_count_where_somebody_gave_them() -> None:
    found = checked(RowSoftmax, Sample((torch.randn(4, 3),)), Sample((torch.randn(2, 4, 3),)))
    assert [one.cause for one in found.wrong_gradients] == [Cause.FORMULA]


def test_what_is_wrong_everywhere_is_told_once() -> None:
    found = checked(Halved)
    assert found.wrong_gradients
    assert found.notes == ()


def test_inputs_without_a_gradient_leave_the_others_to_be_checked() -> None:
    found = checked(SoftTargets)
    assert {(one.input_name, one.cause) for one in found.wrong_gradients} == {("target", Cause.MISSING)}
    outcomes = {one.check: one.outcome for one in found.outcomes}
    assert outcomes["input layouts"] is Outcome.PASSED
    assert outcomes["other magnitudes"] is Outcome.PASSED


def test_a_shape_that_was_made_up_is_only_probably_wrong() -> None:
    found = checked(OfAShape)
    (finding,) = judge(Recording(checked=(found,)))[0]
    assert (finding.code, finding.severity, finding.confidence) == (
        "GS602",
        Severity.ERROR,
        Confidence.PROBABLE,
    )
    assert any("inferred" in note.text for note in finding.notes)
    given = checked(OfAShape, Sample((torch.randn(4, 3), torch.randn(4, 3)), origin=Origin.GIVEN))
    (finding,) = judge(Recording(checked=(given,)))[0]
    assert finding.confidence is Confidence.CERTAIN


def test_evaluations_of_points_made_from_a_point_count() -> None:
    point: Point = setting_of(RowSoftmax, torch.randn(4, 3)).point
    point.values()
    point.with_leaves({}).values()
    point.to(torch.float32).with_leaves({}).differentiable()
    assert point.evaluations == 3
