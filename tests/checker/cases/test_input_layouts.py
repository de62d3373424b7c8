"""Inputs in other layouts: what is wrong only there is found, and what forward refuses is not."""

from __future__ import annotations

import pytest
import torch
from torch.autograd import Function

from gradscope.checker.cases._layouts import LAYOUTS, channels_last, contiguous_strides, expanded, transposed
from gradscope.checker.cases.input_layouts import input_layouts
from gradscope.facts.checks import Outcome, ReturnFault
from tests.checker import faulty, healthy
from tests.checker.cases.settings import setting_of


def rows(*shape: int) -> torch.Tensor:
    return torch.arange(1.0, 1 + torch.Size(shape).numel()).reshape(shape) / 3


class ReadsTheWeightsMemory(Function):
    @staticmethod
    def forward(ctx, x, weight):
        ctx.save_for_backward(x, weight)
        return x * weight

    @staticmethod
    def backward(ctx, grad_output):
        x, weight = ctx.saved_tensors
        memory = torch.as_strided(weight, weight.shape, contiguous_strides(weight.shape))
        return grad_output * memory, grad_output * x


class ViewsInBackward(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**2

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return 2 * grad_output * x.view(-1).view(x.shape)


class ViewsInForward(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.view(-1) ** 2

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return 2 * grad_output.reshape(x.shape) * x


class ForwardReadsMemory(Function):
    @staticmethod
    def forward(ctx, x):
        return 2 * torch.as_strided(x, x.shape, contiguous_strides(x.shape))

    @staticmethod
    def backward(ctx, grad_output):
        return 2 * grad_output


class ForgetsTheBroadcast(Function):
    """Takes an expanded input for one that it may return the sum for."""

    @staticmethod
    def forward(ctx, x):
        ctx.is_expanded = 0 in x.stride()
        return x * 3

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output * (1 if ctx.is_expanded else 3)


def test_a_gradient_wrong_for_one_layout_of_one_input() -> None:
    facts = input_layouts(setting_of(ReadsTheWeightsMemory, rows(3, 4), 0.5 * rows(3, 4)))
    (wrong,) = facts.wrong_gradients
    assert facts.outcome.outcome is Outcome.FAILED
    assert "`weight`" in facts.outcome.detail
    assert wrong.condition == "only where `weight` is not contiguous"
    assert wrong.input_name == "x"
    assert wrong.output_element == wrong.element
    weight = 0.5 * rows(3, 4)
    assert wrong.numerical == pytest.approx(float(weight[wrong.element]), rel=1e-6)
    assert wrong.analytical != pytest.approx(wrong.numerical, rel=1e-3)


def test_only_expanded() -> None:
    facts = input_layouts(setting_of(ForgetsTheBroadcast, rows(3, 4)))
    (wrong,) = facts.wrong_gradients
    assert wrong.condition == "only where `x` is expanded (stride 0)"
    assert wrong.numerical == pytest.approx(3.0)
    assert wrong.analytical == pytest.approx(1.0)


def test_a_backward_that_raises() -> None:
    facts = input_layouts(setting_of(ViewsInBackward, rows(3, 4)))
    (fault,) = facts.wrong_returns
    assert facts.outcome.outcome is Outcome.FAILED
    assert fault.fault is ReturnFault.RAISES
    assert "view size is not compatible" in fault.error
    assert fault.location is not None
    assert fault.location.path == __file__
    assert fault.condition.startswith("only where `x` is transposed")


def test_what_forward_refuses_is_no_fault() -> None:
    facts = input_layouts(setting_of(ViewsInForward, rows(3, 4)))
    assert facts.outcome.outcome is Outcome.PASSED
    assert "forward refuses" in facts.outcome.detail


def test_other_values_are_told() -> None:
    facts = input_layouts(setting_of(ForwardReadsMemory, rows(3, 4)))
    assert facts.outcome.outcome is Outcome.FAILED
    assert "forward returns other values" in facts.notes[0]
    assert not facts.wrong_gradients


def test_random_numbers_follow_the_layout() -> None:
    facts = input_layouts(setting_of(healthy.Dropout, rows(3, 4), 0.4))
    assert facts.outcome.outcome is Outcome.PASSED
    assert "random" in facts.outcome.detail


def test_nothing_is_said_where_the_gradient_itself_is_wrong() -> None:
    facts = input_layouts(setting_of(faulty.SquareWithoutFactor, rows(3, 4), right=False))
    assert facts.outcome.outcome is Outcome.NOT_CHECKED


def test_a_deliberate_gradient_is_compared_with_itself() -> None:
    facts = input_layouts(setting_of(healthy.DeclaredRound, rows(3, 4), right=False, deliberate=True))
    assert facts.outcome.outcome is Outcome.PASSED


def test_no_time() -> None:
    facts = input_layouts(setting_of(healthy.Softmax, rows(3, 4), seconds=0.0))
    assert facts.outcome.outcome is Outcome.NOT_CHECKED
    assert "time" in facts.outcome.detail


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.words)
@pytest.mark.parametrize("shape", [(), (1,), (5,), (3, 4), (2, 3, 4, 5), (2, 3, 2, 2, 3), (0, 3)])
def test_a_layout_keeps_the_values(layout, shape) -> None:
    tensor = rows(*shape)
    made = layout.arrange(tensor)
    if made is not None:
        assert torch.equal(made, tensor)
        assert made._base is None
        assert made.shape == tensor.shape


def test_strides() -> None:
    assert transposed(rows(3, 4)).stride() == (1, 3)
    assert channels_last(rows(2, 3, 4, 5)).is_contiguous(memory_format=torch.channels_last)
    assert channels_last(rows(2, 3, 4)) is None
    assert expanded(rows(3, 4)).stride() == (0, 1)
    assert expanded(rows(1)) is None
