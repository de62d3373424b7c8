"""Gradients in lower precision against float64."""

from __future__ import annotations

import pytest
import torch
from torch.autograd import Function

from gradscope.checker.cases._forms import reference
from gradscope.checker.cases._native import native
from gradscope.checker.cases._precision import precision
from gradscope.checker.cases.dtypes import devices, dtypes
from gradscope.facts.checks import Outcome, ReturnFault
from tests.checker import healthy
from tests.checker.cases.settings import setting_of

X = torch.linspace(-1, 2, 24).reshape(4, 6)


class CancelsInBackward(Function):
    """Adds and subtracts a large number: right in float64."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.tanh()

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return grad_output * ((1 - x.tanh() ** 2 + 1e5) - 1e5)


class DoubleInBackward(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(torch.eye(6, dtype=torch.float64))
        return x * 2

    @staticmethod
    def backward(ctx, grad_output):
        (eye,) = ctx.saved_tensors
        return 2 * grad_output @ eye


class FloatStatistics(Function):
    """Made for float32: in a lower precision its backward raises."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(torch.eye(6, dtype=torch.promote_types(x.dtype, torch.float32)))
        return x * 2

    @staticmethod
    def backward(ctx, grad_output):
        (eye,) = ctx.saved_tensors
        return 2 * grad_output @ eye


class IllConditioned(Function):
    """The condition of the derivative itself is bad."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.sin(1e4 * x) / 1e4

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return grad_output * torch.cos(1e4 * x)


def test_cancellation_is_excessive() -> None:
    facts = dtypes(setting_of(CancelsInBackward, X))
    assert facts.outcome.outcome is Outcome.FAILED
    single = next(one for one in facts.deviations if one.dtype == "float32")
    assert single.excessive
    assert single.native is not None
    assert single.error > 100 * single.native


@pytest.mark.parametrize("function", [healthy.Softmax, healthy.RmsNorm, healthy.NumpySine, IllConditioned])
def test_right_ones(function) -> None:
    args = (X, torch.ones(6)) if function is healthy.RmsNorm else (X,)
    facts = dtypes(setting_of(function, *args))
    assert facts.outcome.outcome is Outcome.PASSED, facts
    assert not any(one.excessive for one in facts.deviations)
    assert facts.deviations[0].dtype == "float32"


def test_a_backward_that_raises_in_float32() -> None:
    facts = dtypes(setting_of(DoubleInBackward, X))
    (fault,) = facts.wrong_returns
    assert fault.fault is ReturnFault.RAISES
    assert fault.condition == "only where the inputs are float32"


def test_a_backward_that_raises_in_a_precision_that_is_not_used() -> None:
    facts = dtypes(setting_of(FloatStatistics, X))
    assert facts.outcome.outcome is Outcome.PASSED
    assert "float16: backward raises" in facts.outcome.detail
    assert [fault.condition for fault in facts.wrong_returns] == ["only in half precision (bfloat16)"]
    used = dtypes(setting_of(FloatStatistics, X.to(torch.bfloat16)))
    (fault,) = used.wrong_returns
    assert fault.condition == "only where the inputs are bfloat16"


def test_random_numbers() -> None:
    facts = dtypes(setting_of(healthy.Dropout, X, 0.4))
    assert facts.outcome.outcome is Outcome.NOT_CHECKED


def test_complex_numbers_have_no_halves() -> None:
    z = torch.complex(X, 1 - X)
    facts = dtypes(setting_of(healthy.ComplexMultiply, z, z + 1))
    assert {one.dtype for one in facts.deviations} == {"float32"}


def test_no_other_device() -> None:
    assert devices(setting_of(healthy.Softmax, X)).outcome.outcome is Outcome.NOT_APPLICABLE


def test_a_device_that_fails_is_no_fault_of_backward(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("no memory is left there")

    base = reference(setting_of(healthy.Softmax, X))
    assert not isinstance(base, str)
    monkeypatch.setattr(type(base.point), "to", full)
    found = precision(base, torch.float32, torch.device("cuda"))
    assert (found.deviations, found.raised) == ((), None)
    assert found.why_not == "cuda: OutOfMemoryError: no memory is left there"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
def test_another_device() -> None:
    facts = devices(setting_of(healthy.Softmax, X, device="cuda"))
    assert facts.outcome.outcome is Outcome.PASSED
    assert {one.device for one in facts.deviations} == {"cuda"}


def test_the_native_gradient() -> None:
    for function, has_one in ((healthy.Softmax, True), (healthy.Cube, True), (healthy.NumpySine, False)):
        base = reference(setting_of(function, X))
        assert not isinstance(base, str)
        assert (native(base) is not None) is has_one
