"""Elements more than 2**31 apart, without the memory between them."""

from __future__ import annotations

import mmap
import sys

import pytest
import torch
from torch.autograd import Function

from gradscope.checker.cases import wide_strides as module
from gradscope.checker.cases.wide_strides import wide_strides
from gradscope.facts.checks import Outcome
from tests.checker import faulty, healthy
from tests.checker.cases.settings import setting_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is reserved on Linux only")
X = torch.linspace(-1, 2, 12).reshape(3, 4)


class IndexInThirtyTwoBits(Function):
    """Its offsets wrap around as an `int` of C does."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**2

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        offset = x.stride(0) * (x.shape[0] - 1)
        step = x.stride(0) if offset < 2**31 else 0
        return 2 * grad_output * x.as_strided(x.shape, (step, *x.stride()[1:]))


def test_an_index_that_overflows() -> None:
    facts = wide_strides(setting_of(IndexInThirtyTwoBits, X))
    (wrong,) = facts.wrong_gradients
    assert facts.outcome.outcome is Outcome.FAILED
    assert wrong.condition == "only where `x` has strides beyond 2**31"
    assert wrong.element[0] > 0


def test_right_ones() -> None:
    for function in (healthy.Softmax, healthy.Swish, healthy.NumpySine):
        assert wide_strides(setting_of(function, X)).outcome.outcome is Outcome.PASSED


def test_wrong_for_every_stride_is_told_elsewhere() -> None:
    facts = wide_strides(setting_of(faulty.MemoryOrderOfInput, X))
    assert facts.outcome.outcome is Outcome.NOT_CHECKED


def test_no_address_space(monkeypatch) -> None:
    def refuse(*_args: object, **_kwargs: object) -> None:
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(mmap, "mmap", refuse)
    assert module.mmap is mmap
    facts = wide_strides(setting_of(healthy.Softmax, X))
    assert facts.outcome.outcome is Outcome.NOT_APPLICABLE
    assert "Cannot allocate memory" in facts.outcome.detail


def test_one_row_has_none() -> None:
    assert wide_strides(setting_of(healthy.Softmax, X[:1])).outcome.outcome is Outcome.NOT_APPLICABLE
