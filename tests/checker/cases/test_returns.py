"""What backward itself returns, before the engine mends it."""

from __future__ import annotations

import inspect

import pytest
import torch
from torch.autograd import Function

from gradscope.checker.cases.returns import returns
from gradscope.facts.checks import Outcome, ReturnFault
from tests.checker.cases.settings import setting_of

F = ReturnFault
X, ROW = torch.linspace(-1, 1, 6).reshape(2, 3), torch.linspace(1, 2, 3)


def returning(gradients, value=lambda x, *rest: x * 2):
    """A Function with that forward, whose backward returns `gradients(grad_output)`."""

    class Made(Function):
        @staticmethod
        def forward(ctx, x, other=None):
            return value(x, other)

        @staticmethod
        def backward(ctx, grad_output):
            return gradients(grad_output)

    return Made


def faults(function, *args):
    facts = returns(setting_of(function, *args))
    assert (facts.outcome.outcome is Outcome.FAILED) == bool(facts.wrong_returns)
    return [(one.fault, one.input_name, one.expected, one.got) for one in facts.wrong_returns]


@pytest.mark.parametrize(
    ("gradients", "args", "expected"),
    [
        (lambda g: 2 * g, (X, 2.0), (F.COUNT, "", "2", "1")),
        (lambda g: (2 * g, g), (X,), (F.COUNT, "", "1", "2")),
        (lambda g: [2 * g, None], (X, 2.0), (F.TYPE, "", "a tensor or a tuple", "a list of 2")),
        (lambda g: (g.tolist(), None), (X, 2.0), (F.TYPE, "x", "a tensor or None", "a list")),
        (lambda g: (g.numpy(), None), (X, 2.0), (F.TYPE, "x", "a tensor or None", "a ndarray")),
        (
            lambda g: (2 * g, g),
            (X, 2.0),
            (F.FOR_NO_TENSOR, "other", "None (its argument is a float)", "a tensor"),
        ),
        (
            lambda g: (2 * g, g),
            (X, None),
            (F.FOR_NO_TENSOR, "other", "None (its argument is a NoneType)", "a tensor"),
        ),
        (lambda g: (2 * g.t(), None), (X, 2.0), (F.SHAPE, "x", "(2, 3)", "(3, 2)")),
        (lambda g: (2 * g.sum(0), None), (X, 2.0), (F.SHAPE, "x", "(2, 3)", "(3,)")),
        (lambda g: (2 * g.to("meta"), None), (X, 2.0), (F.DEVICE, "x", "cpu", "meta")),
        (lambda g: (2 * g.bfloat16(), None), (X, 2.0), (F.DTYPE, "x", "float32", "bfloat16")),
        (lambda g: (2 * g.long(), None), (X, 2.0), (F.DTYPE, "x", "float32", "int64")),
        (lambda g: (2 * g + 0j, None), (X, 2.0), (F.DTYPE, "x", "float32", "complex64")),
    ],
)
def test_a_wrong_return_is_told_with_what_was_expected(gradients, args, expected):
    assert faults(returning(gradients), *args) == [expected]


def test_torchs_message_goes_with_the_fault_that_it_is_about():
    (fault,) = returns(setting_of(returning(lambda g: g), X, 2.0)).wrong_returns
    assert "incorrect number of gradients (expected 2, got 1)" in fault.error
    silent = returns(setting_of(returning(lambda g: (g.long(), None)), X, 2.0)).wrong_returns
    assert [one.error for one in silent] == [""]


def test_swapped_gradients_are_two_wrong_shapes():
    swapped = returning(lambda g: (g.sum(0), g), lambda x, row: x + row)
    one = [(F.SHAPE, "x", "(2, 3)", "(3,)")]  # the row's is only not summed yet
    assert faults(swapped, X, ROW) == one
    matmul = returning(lambda g: (X.t() @ g, g @ X), lambda x, other: x @ other)
    assert [one[0] for one in faults(matmul, X, X.t().contiguous())] == [F.SHAPE, F.SHAPE]


@pytest.mark.parametrize(
    ("gradients", "value", "args", "remark"),
    [
        (lambda g: (2 * g, None, None, None), lambda x, _: 2 * x, (X, 2.0), "ignores None"),
        (lambda g: (g, g), lambda x, row: x + row, (X, ROW), "other: of shape (2, 3), torch sums it to (3,)"),
        (
            lambda g: (2 * g.double(), None),
            lambda x, _: 2 * x,
            (X, 2.0),
            "x: float64, torch casts it to float32",
        ),
        (lambda g: (g.float(), None), lambda x, _: x.half(), (X.double(), 2.0), "x: float32, torch casts"),
        (lambda g: (2 * g, None), lambda x, _: 2 * x, (X, torch.arange(3)), ""),
        (lambda g: (2 * g, None), lambda x, _: 2 * x, (X, "mean"), ""),
    ],
)
def test_what_torch_mends_without_loss_is_a_remark_and_no_fault(gradients, value, args, remark):
    facts = returns(setting_of(returning(gradients, value), *args))
    assert facts.wrong_returns == ()
    assert facts.outcome.outcome is Outcome.PASSED
    assert remark in facts.outcome.detail


def test_a_gradient_for_an_integer_tensor_is_a_fault_of_its_own():
    function = returning(lambda g: (2 * g, torch.zeros(3)))
    ((fault, name, expected, _),) = faults(function, X, torch.arange(3))
    assert (fault, name) == (F.FOR_NO_TENSOR, "other")
    assert "integer tensor" in expected


class Raises(Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, grad_output):
        missing = ctx.never_set
        return grad_output * missing


def test_a_backward_that_raises_is_told_with_its_line():
    (fault,) = returns(setting_of(Raises, X)).wrong_returns
    lines, start = inspect.getsourcelines(Raises)
    assert (fault.fault, fault.error.partition(":")[0]) == (F.RAISES, "AttributeError")
    assert fault.location is not None
    assert lines[fault.location.line - start].strip() == "missing = ctx.never_set"


def test_a_forward_that_torch_refuses_with_gradients_is_told():
    class NotReturned(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.mark_dirty(x)
            return x.mul_(2).clone()

        @staticmethod
        def backward(ctx, grad_output):
            return 2 * grad_output

    (fault,) = returns(setting_of(NotReturned, X)).wrong_returns
    assert (fault.fault, fault.got) == (F.RAISES, "forward raises")
    assert "marked as dirty" in fault.error


def test_a_gradient_that_the_program_never_asks_for_may_be_refused():
    class OfTheFirst(Function):
        @staticmethod
        def forward(ctx, x, target):
            ctx.save_for_backward(x, target)
            return ((x - target) ** 2).sum()

        @staticmethod
        def backward(ctx, grad_output):
            if ctx.needs_input_grad[1]:
                raise ValueError("the target has no gradient")
            x, target = ctx.saved_tensors
            return 2 * (x - target) * grad_output, None

    assert [one[0] for one in faults(OfTheFirst, X, X + 1)] == [F.RAISES]
    assert faults(OfTheFirst, X.clone().requires_grad_(), X + 1) == []


def test_a_changed_grad_output_is_told():
    assert [one[0] for one in faults(returning(lambda g: (g.mul_(2), None)), X)] == [F.CHANGES_COTANGENT]
    assert faults(returning(lambda g: (g.clone().mul_(2), None)), X) == []


class Numpy(Function):
    """NumPy has no bfloat16."""

    @staticmethod
    def forward(ctx, x):
        return torch.from_numpy(x.detach().numpy().cumsum(0))

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output.flip(0).cumsum(0).flip(0)


class WithoutKernel(Numpy):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output @ torch.linalg.inv(torch.eye(3, dtype=grad_output.dtype))


@pytest.mark.parametrize("function", [Numpy, WithoutKernel])
def test_a_dtype_that_has_no_kernel_here_is_no_fault(function):
    assert faults(function, X.bfloat16()) == []


class Apart(Function):
    @staticmethod
    def forward(x, weight, scale=2.0):
        return x * weight * scale

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, weight, ctx.scale = inputs
        ctx.save_for_backward(x, weight)

    @staticmethod
    def backward(ctx, grad_output):
        x, weight = ctx.saved_tensors
        return grad_output * weight * ctx.scale, (grad_output * x * ctx.scale).sum(0), None


def test_a_setup_context_of_its_own_and_a_default_argument():
    assert faults(Apart, X, ROW) == []
    assert Apart.__dict__["backward"].__func__.__name__ == "backward"  # the class is as it was
    assert "__setattr__" not in Apart._backward_cls.__dict__


class Vjp(Function):
    @staticmethod
    def forward(ctx, x, power):
        return x**power

    @staticmethod
    def vjp(ctx, grad_output):
        return grad_output


def test_vjp_is_a_backward_too():
    assert faults(Vjp, X, 2) == [(F.COUNT, "", "2", "1")]


def test_a_custom_op_counts_its_own_arguments(scaled_op):
    op, answer = scaled_op
    answer[0] = lambda grad: (2 * grad, None)
    assert faults(op, X, 2.0) == []
    answer[0] = lambda grad: 2 * grad
    assert faults(op, X, 2.0) == [(F.COUNT, "", "2", "1")]
    answer[0] = lambda grad: (2 * grad.t(), None)
    assert [one[0] for one in faults(op, X, 2.0)] == [F.SHAPE]


@pytest.fixture
def scaled_op():
    answer = [lambda grad: grad]
    with torch.library._scoped_library("gradscope_returns", "DEF"):

        @torch.library.custom_op("gradscope_returns::scaled", mutates_args=())
        def scaled(x: torch.Tensor, factor: float) -> torch.Tensor:
            return x * factor

        scaled.register_autograd(
            lambda ctx, grad: answer[0](grad), setup_context=lambda ctx, inputs, output: None
        )
        yield scaled, answer


def test_a_plain_function_has_no_backward_of_its_own():
    assert returns(setting_of(torch.nn.functional.silu, X)).outcome.outcome is Outcome.NOT_APPLICABLE
