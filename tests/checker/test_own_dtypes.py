"""Functions that work in the dtypes of their arguments and raise in float64."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import Function

from gradscope.checker import run
from gradscope.checker.numeric import Comparison
from gradscope.checker.point import Sample
from gradscope.checker.run import Limits, check_function
from gradscope.checker.subjects.discovery import subject_of
from gradscope.engine import judge
from gradscope.facts import CheckedFunction, Recording
from gradscope.facts.checks import GRADIENT, Outcome
from gradscope.finding import Severity


class Kernel(Function):
    """As if compiled for float32."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        if x.dtype != torch.float32:
            raise TypeError("expected float32")
        ctx.save_for_backward(x)
        return x * x.sigmoid()

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        s = x.sigmoid()
        return grad_output * (s + x * s * (1 - s))


class WrongKernel(Kernel):
    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        s = x.sigmoid()
        return grad_output * (s + s * (1 - s))


class Centred(Function):
    """Its backward alone makes matrices in the default dtype."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x - x.mean(-1, keepdim=True)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        n = grad_output.shape[-1]
        return grad_output @ (torch.eye(n) - torch.ones(n, n) / n)


class WrongCentred(Centred):
    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        n = grad_output.shape[-1]
        return grad_output @ (torch.eye(n) - torch.ones(n, n))


class WrongEverywhere(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return 3.0 * x.sin()

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        return 3.0 * grad_output


class Through(Function):
    """Runs a module that is one of its arguments."""

    @staticmethod
    def forward(ctx: Any, module: nn.Module, x: Tensor) -> Tensor:
        ctx.module = module
        ctx.save_for_backward(x)
        return module(x)  # type: ignore[no-any-return]  # a module returns anything

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[None, Tensor]:
        x = ctx.saved_tensors[0].detach().requires_grad_()
        with torch.enable_grad():
            (gradient,) = torch.autograd.grad(ctx.module(x), x, grad_output)
        return None, gradient


def checked(function: type[Function], *args: Any) -> CheckedFunction:
    subject = subject_of(function, function.__name__)
    assert subject is not None
    return check_function(subject, [Sample(args)], Limits(19.0))


def errors(one: CheckedFunction) -> list[str]:
    findings, _ = judge(Recording(checked=(one,)))
    return [finding.code for finding in findings if finding.severity is Severity.ERROR]


@pytest.fixture
def x() -> Tensor:
    return torch.randn(4, 6, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("function", [Kernel, Centred])
def test_one_that_is_right(function: type[Function], x: Tensor) -> None:
    one = checked(function, x)
    assert one.failure == ""
    assert {each.check: each.outcome for each in one.outcomes}[GRADIENT] is Outcome.PASSED
    assert errors(one) == []
    assert any(note.startswith("in float64 its ") and "checked in float32" in note for note in one.notes)


@pytest.mark.parametrize("function", [WrongKernel, WrongCentred])
def test_one_that_is_wrong(function: type[Function], x: Tensor) -> None:
    assert errors(checked(function, x)) == ["GS601"]


def test_a_module_among_the_arguments(x: Tensor) -> None:
    one = checked(Through, nn.Sequential(nn.Linear(6, 6), nn.Tanh()), x)
    assert one.failure == ""
    assert errors(one) == []


def test_what_raises_in_every_dtype_says_so_once(x: Tensor) -> None:
    one = checked(Kernel, x.double())
    assert one.failure == "forward raises TypeError: expected float32"
    assert one.notes == ()


def test_nothing_is_right_elsewhere_where_time_ran_out(x: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    unknown = Comparison(complete=False)
    monkeypatch.setattr(run, "compared", lambda sample, point, deadline: (point, unknown, ""))
    one = checked(WrongEverywhere, x)
    assert one.wrong_gradients == ()
    outcomes = {each.check: each.outcome for each in one.outcomes}
    assert outcomes[GRADIENT] is Outcome.NOT_CHECKED
    assert Outcome.FAILED not in outcomes.values()
