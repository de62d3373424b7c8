"""Only some inputs require a gradient: the same gradients must come."""

from __future__ import annotations

import pytest
import torch
from torch.autograd import Function

from gradscope.checker.cases.partial_needs_input_grad import partial_needs_input_grad
from gradscope.facts.checks import Cause, Outcome, ReturnFault
from tests.checker.cases.settings import setting_of

X, WEIGHT, BIAS = torch.randn(4, 3), torch.randn(2, 3), torch.randn(2)


class Linear(Function):
    @staticmethod
    def forward(ctx, x, weight, bias=None):
        ctx.save_for_backward(x, weight)
        return x @ weight.t() if bias is None else x @ weight.t() + bias

    @staticmethod
    def backward(ctx, grad_output):
        x, weight = ctx.saved_tensors
        gradients = [None, None, None]
        if ctx.needs_input_grad[0]:
            gradients[0] = grad_output @ weight
        if ctx.needs_input_grad[1]:
            gradients[1] = grad_output.t() @ x
        if ctx.needs_input_grad[2]:
            gradients[2] = grad_output.sum(0)
        return tuple(gradients)


class SavesOnlyWithX(Linear):
    """Backward unpacks two tensors whichever were saved."""

    @staticmethod
    def forward(ctx, x, weight, bias=None):
        if ctx.needs_input_grad[0]:
            ctx.save_for_backward(x, weight)
        else:
            ctx.save_for_backward(x)
        return x @ weight.t() + bias


class AsksForTheWrongInput(Linear):
    """The weight's gradient is computed only where the input needs one."""

    @staticmethod
    def backward(ctx, grad_output):
        x, weight = ctx.saved_tensors
        both = ctx.needs_input_grad[0]
        return (
            grad_output @ weight if both else None,
            grad_output.t() @ x if both else None,
            grad_output.sum(0),
        )


class AnotherBranch(Linear):
    """Where the weight is frozen, another formula runs, and it is wrong."""

    @staticmethod
    def backward(ctx, grad_output):
        x, weight = ctx.saved_tensors
        factor = 1.0 if ctx.needs_input_grad[1] else 0.5
        return factor * grad_output @ weight, grad_output.t() @ x, grad_output.sum(0)


class ShortWhereFrozen(Linear):
    @staticmethod
    def backward(ctx, grad_output):
        x, weight = ctx.saved_tensors
        if not ctx.needs_input_grad[2]:
            return grad_output @ weight, grad_output.t() @ x
        return grad_output @ weight, grad_output.t() @ x, grad_output.sum(0)


@pytest.mark.parametrize("bias", [BIAS, None])
def test_branches_on_needs_input_grad_are_right(bias):
    facts = partial_needs_input_grad(setting_of(Linear, X, WEIGHT, bias))
    assert facts.outcome.outcome is Outcome.PASSED
    assert (*facts.wrong_returns, *facts.wrong_gradients) == ()


def test_a_backward_that_fails_where_one_is_frozen():
    facts = partial_needs_input_grad(setting_of(SavesOnlyWithX, X, WEIGHT, BIAS))
    (fault,) = facts.wrong_returns
    assert fault.fault is ReturnFault.RAISES
    assert fault.condition == "where only `weight` needs a gradient"
    assert "ValueError: not enough values to unpack" in fault.error
    assert fault.location is not None


def test_a_gradient_that_is_missing_where_another_needs_none():
    facts = partial_needs_input_grad(setting_of(AsksForTheWrongInput, X, WEIGHT, BIAS))
    (wrong,) = facts.wrong_gradients
    assert (wrong.input, wrong.input_name, wrong.analytical) == (1, "weight", None)
    assert wrong.cause is Cause.MISSING
    assert wrong.condition == "where only `weight` needs a gradient"
    assert wrong.numerical != 0
    assert wrong.wrong == wrong.looked_at == 6


def test_another_value_where_another_needs_none():
    facts = partial_needs_input_grad(setting_of(AnotherBranch, X, WEIGHT, BIAS))
    (wrong,) = facts.wrong_gradients
    assert wrong.input_name == "x"
    assert wrong.analytical == pytest.approx(0.5 * wrong.numerical)
    assert wrong.cause is Cause.FORMULA


def test_no_value_is_called_wrong_where_the_whole_gradient_is():
    facts = partial_needs_input_grad(setting_of(AnotherBranch, X, WEIGHT, BIAS, right=False))
    assert list(facts.wrong_gradients) == []


def test_fewer_gradients_where_one_is_frozen():
    facts = partial_needs_input_grad(setting_of(ShortWhereFrozen, X, WEIGHT, BIAS))
    (fault,) = facts.wrong_returns
    assert (fault.fault, fault.expected, fault.got) == (ReturnFault.COUNT, "3", "2")
    assert fault.condition == "where only `x` needs a gradient"


class Constant(Linear):
    """The bias is no parameter of this layer: no gradient, and one branch that would fail on it."""

    @staticmethod
    def backward(ctx, grad_output):
        x, weight = ctx.saved_tensors
        needed = ctx.needs_input_grad
        if needed[2] and not needed[0]:
            raise ValueError("a bias alone")
        return (
            (grad_output @ weight if needed[0] else None),
            (grad_output.t() @ x if needed[1] else None),
            None,
        )


def test_what_the_program_never_differentiates_is_part_of_no_combination():
    trained = [X.clone().requires_grad_(), WEIGHT.clone().requires_grad_(), BIAS]
    facts = partial_needs_input_grad(setting_of(Constant, *trained))
    assert (facts.outcome.outcome, facts.outcome.detail) == (Outcome.PASSED, "3 combinations")
    (fault,) = partial_needs_input_grad(setting_of(Constant, X, WEIGHT, BIAS)).wrong_returns
    assert fault.condition == "where only `bias` needs a gradient"


def test_one_input_has_no_parts():
    class Double(Function):
        @staticmethod
        def forward(ctx, x):
            return 2 * x

        @staticmethod
        def backward(ctx, grad_output):
            return 2 * grad_output

    assert partial_needs_input_grad(setting_of(Double, X)).outcome.outcome is Outcome.NOT_APPLICABLE


def test_a_backward_that_always_raises_is_anothers_business():
    class Raises(Function):
        @staticmethod
        def forward(ctx, x, weight):
            return x @ weight.t()

        @staticmethod
        def backward(ctx, grad_output):
            raise RuntimeError("no")

    facts = partial_needs_input_grad(setting_of(Raises, X, WEIGHT))
    assert facts.outcome.outcome is Outcome.NOT_CHECKED
    assert facts.outcome.detail == "RuntimeError: no"
    assert facts.wrong_returns == ()


class ForgetsAPair(Function):
    """Right for each input alone and for all three; of the first two together it forgets the second."""

    @staticmethod
    def forward(ctx, a, b, c):
        ctx.save_for_backward(a, b, c)
        return a * b * c

    @staticmethod
    def backward(ctx, grad_output):
        a, b, c = ctx.saved_tensors
        forgets = ctx.needs_input_grad == (True, True, False)
        return grad_output * b * c, None if forgets else grad_output * a * c, grad_output * a * b


def test_all_inputs_but_one() -> None:
    facts = partial_needs_input_grad(setting_of(ForgetsAPair, *(torch.rand(3) + n for n in range(3))))
    (wrong,) = facts.wrong_gradients
    assert (wrong.input_name, wrong.condition) == ("b", "where all but `c` need a gradient")
