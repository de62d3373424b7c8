"""What a forward keeps, in bytes, and what nobody needs."""

from __future__ import annotations

import torch
from torch.autograd import Function

from gradscope.checker.cases.saved import saved
from gradscope.facts.checks import Outcome
from tests.checker.cases.settings import setting_of

X, WEIGHT = torch.linspace(-1, 1, 12).reshape(4, 3), torch.linspace(1, 2, 6).reshape(2, 3)


class Product(Function):
    @staticmethod
    def forward(ctx, x, weight):
        ctx.save_for_backward(x, weight)
        return x @ weight.t()

    @staticmethod
    def backward(ctx, grad_output):
        x, weight = ctx.saved_tensors
        return grad_output @ weight, grad_output.t() @ x


class TooMuch(Product):
    @staticmethod
    def forward(ctx, x, weight):
        y = x @ weight.t()
        ctx.save_for_backward(x, weight, y, x.double(), x)
        return y

    @staticmethod
    def backward(ctx, grad_output):
        x, weight, *_ = ctx.saved_tensors
        return grad_output @ weight, grad_output.t() @ x


class SignOnly(Function):
    """Reads only the sign of what it saves: that is a use."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.abs()

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return grad_output * x.sign()


class ShapeOnly(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.sum()

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return grad_output.expand(x.shape)


class OnAttributes(Function):
    @staticmethod
    def forward(ctx, x, scale):
        ctx.mask = x > 0
        ctx.scale = scale
        return x.clamp_min(0) * scale

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output * ctx.mask * ctx.scale, None


class Picks(Function):
    @staticmethod
    def forward(ctx, x, index, mask):
        ctx.save_for_backward(index, mask)
        ctx.rows = x.shape[0]
        return x[index] * mask

    @staticmethod
    def backward(ctx, grad_output):
        index, mask = ctx.saved_tensors
        given = grad_output * mask
        return given.new_zeros(ctx.rows, 3).index_add(0, index, given), None, None


def fact_of(function, *args):
    facts = saved(setting_of(function, *args))
    assert facts.outcome.outcome is Outcome.PASSED
    assert facts.saved is not None
    return facts.saved


def test_what_is_saved_and_used():
    fact = fact_of(Product, X, WEIGHT)
    assert (fact.nbytes, fact.inputs_nbytes) == (72, 72)
    assert fact.tensors == ("input x", "input weight")
    assert fact.unused == ()


def test_what_is_saved_for_nothing_or_twice():
    fact = fact_of(TooMuch, X, WEIGHT)
    assert fact.tensors == ("input x", "input weight", "output 0", "intermediate", "input x (again)")
    assert fact.unused == ("output 0", "intermediate", "input x (again)")
    assert fact.nbytes == 72 + 32 + 96  # what is saved twice counts once


def test_a_sign_is_a_use_and_a_shape_is_none():
    assert fact_of(SignOnly, X).unused == ()
    assert fact_of(ShapeOnly, X).unused == ("input x",)


def test_attributes_count_and_masks_and_indices_are_used():
    fact = fact_of(OnAttributes, X, 2.0)
    assert (fact.tensors, fact.nbytes) == (("ctx.mask",), 12)
    fact = fact_of(Picks, X, torch.tensor([0, 2]), torch.tensor([[True], [False]]))
    assert fact.unused == ()


def test_the_class_is_as_it_was():
    fact_of(Product, X, WEIGHT)
    assert "saved_tensors" not in Product._backward_cls.__dict__
