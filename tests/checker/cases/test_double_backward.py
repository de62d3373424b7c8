"""The gradient of the gradient."""

from __future__ import annotations

import inspect
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from gradscope.checker.cases.double_backward import double_backward
from gradscope.checker.watched import Watched
from gradscope.facts.checks import DoubleFault, Outcome
from gradscope.finding import Location
from tests.checker.cases.settings import setting_of

X = torch.tensor([-1.3, -0.4, 0.3, 0.9])


class Cube(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return 3 * x**2 * grad_output


class Exponential(Cube):
    """An output that is saved keeps its graph."""

    @staticmethod
    def forward(ctx, x):
        y = x.exp()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, grad_output):
        (y,) = ctx.saved_tensors
        return grad_output * y


class Relu(Cube):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x > 0)
        return x.clamp_min(0)

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output * ctx.saved_tensors[0]


class InplaceSquare(Function):
    """In place, marked; the root is right for positive inputs."""

    @staticmethod
    def forward(ctx, x):
        x.mul_(x)
        ctx.mark_dirty(x)
        ctx.save_for_backward(x)
        return x

    @staticmethod
    def backward(ctx, grad_output):
        return 2 * ctx.saved_tensors[0].sqrt() * grad_output


class InputOnCtx(Cube):
    """An attribute that is the input itself keeps the graph."""

    @staticmethod
    def forward(ctx, x):
        ctx.x = x
        return x**3

    @staticmethod
    def backward(ctx, grad_output):
        return 3 * ctx.x**2 * grad_output


class Intermediate(Cube):
    @staticmethod
    def forward(ctx, x):
        square = x * x
        ctx.save_for_backward(square)
        return x * square

    @staticmethod
    def backward(ctx, grad_output):
        return 3 * ctx.saved_tensors[0] * grad_output


class IntermediateOnCtx(Intermediate):
    @staticmethod
    def forward(ctx, x):
        ctx.square = x * x
        return x * ctx.square

    @staticmethod
    def backward(ctx, grad_output):
        return 3 * ctx.square * grad_output


class PartlyCut(Cube):
    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return 3 * x * x.detach() * grad_output


class CutFromGradOutput(Cube):
    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return 3 * x**2 * grad_output.data


class Numpy(Cube):
    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return torch.from_numpy(3 * x.detach().numpy() ** 2 * grad_output.detach().numpy())


class LoudNumpy(Cube):
    """NumPy refuses a tensor that requires a gradient."""

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return torch.from_numpy(3 * np.square(x.numpy())) * grad_output


class Once(Cube):
    @staticmethod
    @once_differentiable
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return 3 * x**2 * grad_output


class OnceLinear(Cube):
    """There is nothing to lose: the gradient does not depend on the input."""

    @staticmethod
    def forward(ctx, x):
        return x.cumsum(0)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_output):
        return grad_output.flip(0).cumsum(0).flip(0)


class WrongSecond(Function):
    """Cube, with a backward whose own backward is another Function's, and wrong."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, grad_output):
        return CubeBackward.apply(ctx.saved_tensors[0], grad_output)


class CubeBackward(Function):
    @staticmethod
    def forward(ctx, x, grad_output):
        ctx.save_for_backward(x, grad_output)
        return 3 * x**2 * grad_output

    @staticmethod
    def backward(ctx, grad_output):
        x, first = ctx.saved_tensors
        return 5 * x * first * grad_output, 3 * x**2 * grad_output


class Product(Function):
    @staticmethod
    def forward(ctx, x, y):
        ctx.save_for_backward(x)
        ctx.frozen = y.detach().clone()
        return x * y

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return grad_output * ctx.frozen, grad_output * x


def doubles(function, *args, **more):
    return double_backward(setting_of(function, *(args or (X,)), **more))


def text_at(function, location):
    for method in (function.forward, function.backward):
        lines, start = inspect.getsourcelines(method)
        if start <= location.line < start + len(lines):
            return lines[location.line - start].strip()
    return None


@pytest.mark.parametrize("function", [Cube, Exponential, Relu, InputOnCtx])
def test_a_right_second_derivative_is_silent(function):
    facts = doubles(function)
    assert (facts.outcome.outcome, facts.wrong_doubles) == (Outcome.PASSED, [])


def test_a_function_in_place():
    assert doubles(InplaceSquare, X.abs() + 0.5).outcome.outcome is Outcome.PASSED


@pytest.mark.parametrize(
    ("function", "line"),
    [
        (Intermediate, "ctx.save_for_backward(square)"),
        (IntermediateOnCtx, "ctx.square = x * x"),
        (Numpy, "return torch.from_numpy(3 * x.detach().numpy() ** 2 * grad_output.detach().numpy())"),
    ],
)
def test_a_dropped_one_is_told_with_the_line_that_cuts(function, line):
    facts = doubles(function)
    fact = facts.wrong_doubles[0]
    assert facts.outcome.outcome is Outcome.FAILED
    assert (fact.fault, fact.input_name) == (DoubleFault.DROPPED, "x")
    assert (fact.declared, fact.silent, fact.used_at) == (False, True, None)
    assert fact.analytical in (None, 0.0)
    assert abs(fact.numerical) == pytest.approx(6 * 1.3, rel=0.5)
    assert fact.because is not None
    assert text_at(function, fact.because) == line


class Gelu(Cube):
    """Its first gradient cancels at the far left: the numerical derivative there is that of rounding."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.nn.functional.gelu(x)

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        normal = torch.exp(-x * x / 2) / (2 * torch.pi) ** 0.5
        return grad_output * (0.5 * (1 + torch.erf(x / 2**0.5)) + x * normal)


def test_rounding_where_a_function_saturates_is_no_fault():
    assert list(doubles(Gelu, torch.linspace(-6.6, 3.0, 40)).wrong_doubles) == []


def test_a_part_that_is_cut_makes_it_wrong():
    (fact,) = doubles(PartlyCut).wrong_doubles
    assert fact.fault is DoubleFault.WRONG
    assert fact.analytical == pytest.approx(fact.numerical / 2)
    assert "detach" in fact.because_text


def test_the_way_to_grad_output_may_be_cut_alone():
    (fact,) = doubles(CutFromGradOutput).wrong_doubles
    assert (fact.fault, fact.input_name) == (DoubleFault.DROPPED, "grad_output 0")


def test_one_input_of_two():
    facts = doubles(Product, X, X + 2)
    assert [(fact.fault, fact.input_name) for fact in facts.wrong_doubles] == [(DoubleFault.DROPPED, "y")]


def test_a_wrong_formula_of_the_second():
    (fact,) = doubles(WrongSecond).wrong_doubles
    assert fact.fault is DoubleFault.WRONG
    assert fact.analytical == pytest.approx(fact.numerical * 5 / 6)
    assert fact.because is None


def test_an_error_of_its_own_is_loud_and_no_fault():
    facts = doubles(LoudNumpy)
    assert (facts.outcome.outcome, facts.wrong_doubles) == (Outcome.NOT_APPLICABLE, [])
    assert "a second backward raises" in facts.outcome.detail


def test_a_declared_one_is_told_where_something_is_lost():
    facts = doubles(Once)
    (fact,) = facts.wrong_doubles
    assert (fact.fault, fact.declared, fact.silent) == (DoubleFault.ONCE, True, True)
    assert (facts.outcome.outcome, facts.outcome.detail) == (
        Outcome.NOT_APPLICABLE,
        "declared once_differentiable",
    )
    assert doubles(OnceLinear).wrong_doubles == []


def test_where_the_program_differentiates_twice():
    where = Location("train.py", 40)
    setting = replace(setting_of(Once, X), watched=Watched(2, where))
    assert [fact.used_at for fact in double_backward(setting).wrong_doubles] == [where]


def test_an_approximation_has_no_second_derivative_to_check():
    assert doubles(Intermediate, deliberate=True).outcome.outcome is Outcome.NOT_APPLICABLE
    assert doubles(Intermediate, right=False).outcome.outcome is Outcome.NOT_CHECKED


def test_an_approximation_that_the_program_differentiates_has_one():
    twice = Watched(2, Location("train.py", 40))
    setting = replace(setting_of(Intermediate, X, right=False, deliberate=True), watched=twice)
    assert [fact.fault for fact in double_backward(setting).wrong_doubles] == [DoubleFault.DROPPED]
    setting = replace(setting_of(Cube, X, right=False, deliberate=True), watched=twice)
    assert double_backward(setting).outcome.outcome is Outcome.PASSED


class ComputedInFloat32(Cube):
    """Its output and what it saves are one tensor for float32 arguments, and for no others."""

    @staticmethod
    def forward(ctx, x):
        y = x.float().tanh()
        ctx.save_for_backward(y)
        return y.to(x.dtype)

    @staticmethod
    def backward(ctx, grad_output):
        (y,) = ctx.saved_tensors
        return grad_output * (1 - y * y)


@pytest.mark.parametrize(("dtype", "faults"), [(torch.float32, 0), (torch.float64, 1), (torch.bfloat16, 1)])
def test_a_second_derivative_is_judged_in_the_arguments_own_dtype(dtype: torch.dtype, faults: int) -> None:
    facts = double_backward(setting_of(ComputedInFloat32, X.to(dtype)))
    assert len(facts.wrong_doubles) == faults
    assert len(facts.notes) == 1 - faults
