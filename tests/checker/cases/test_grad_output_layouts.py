"""Incoming gradients in other layouts."""

from __future__ import annotations

import pytest
import torch
from torch.autograd import Function

from gradscope.checker.cases._layouts import contiguous_strides
from gradscope.checker.cases.grad_output_layouts import grad_output_layouts
from gradscope.facts.checks import Outcome, ReturnFault
from tests.checker import faulty, healthy
from tests.checker.cases.settings import setting_of

X = torch.linspace(-1, 2, 12).reshape(3, 4)


class ReadsMemory(Function):
    """What a kernel does that takes the pointer of a grad_output."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**2

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        whole = grad_output.new_zeros(x.numel())
        stored = grad_output.as_strided((grad_output.untyped_storage().nbytes() // 8,), (1,))
        whole[: stored.numel()] = stored[: whole.numel()]
        return 2 * x * whole.as_strided(x.shape, contiguous_strides(x.shape))


class WritesIntoGradOutput(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x > 0)
        return x.relu()

    @staticmethod
    def backward(ctx, grad_output):
        (positive,) = ctx.saved_tensors
        grad_output[~positive] = 0
        return grad_output


def test_memory_order() -> None:
    facts = grad_output_layouts(setting_of(faulty.MemoryOrderOfGradOutput, X))
    (wrong,) = facts.wrong_gradients
    assert facts.outcome.outcome is Outcome.FAILED
    assert "grad_output is transposed" in wrong.condition
    assert wrong.output_element is not None


def test_raw_memory() -> None:
    facts = grad_output_layouts(setting_of(ReadsMemory, X))
    (wrong,) = facts.wrong_gradients
    assert "grad_output is not contiguous" in wrong.condition
    assert "sum().backward()" in wrong.condition


def test_view_in_backward() -> None:
    facts = grad_output_layouts(setting_of(faulty.ViewsGradOutput, X))
    (fault,) = facts.wrong_returns
    assert fault.fault is ReturnFault.RAISES
    assert fault.condition == "only where grad_output is transposed (not contiguous)"
    assert fault.location is not None
    assert fault.location.function == "ViewsGradOutput.backward"
    assert "view size is not compatible" in fault.error


def test_a_write_into_an_expanded_grad_output_is_written_everywhere() -> None:
    facts = grad_output_layouts(setting_of(WritesIntoGradOutput, X))
    (wrong,) = facts.wrong_gradients
    assert "as sum().backward() gives it" in wrong.condition
    assert (wrong.analytical, wrong.numerical) == (0.0, pytest.approx(1.0))


@pytest.mark.parametrize(
    "function", [healthy.Softmax, healthy.Swish, healthy.NumpyCumsum, healthy.MeanAndSpread]
)
def test_right_ones(function) -> None:
    facts = grad_output_layouts(setting_of(function, X.abs() + 0.1))
    assert facts.outcome.outcome is Outcome.PASSED, facts


def test_a_number_has_no_layout() -> None:
    facts = grad_output_layouts(setting_of(healthy.MeanSquare, X, X + 1))
    assert facts.outcome.outcome is Outcome.NOT_APPLICABLE


def test_a_random_backward_is_another_checks_business() -> None:
    facts = grad_output_layouts(setting_of(faulty.NoisyBackward, X, 1e-9))
    assert facts.outcome.outcome is Outcome.NOT_CHECKED
    assert facts.outcome.detail == "backward is random"
