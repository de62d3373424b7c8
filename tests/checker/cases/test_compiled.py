"""The function under torch.compile."""

from __future__ import annotations

import pytest
import torch
from torch.autograd import Function

from gradscope.checker.cases.compiled import compiled
from gradscope.facts.checks import NEEDS_MORE, Outcome
from tests.checker import healthy
from tests.checker.cases.settings import setting_of

X = torch.linspace(-1, 2, 12).reshape(3, 4)


def test_compiled(capfd: pytest.CaptureFixture[str]) -> None:
    facts = compiled(setting_of(healthy.Swish, X))
    assert (facts.outcome.outcome, facts.outcome.detail) == (Outcome.PASSED, "one graph")
    assert compiled(setting_of(healthy.Swish, X, seconds=0.1)).outcome.outcome is Outcome.NOT_CHECKED
    assert capfd.readouterr() == ("", "")


class OtherWhenTraced(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**2

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return (1 if torch.compiler.is_compiling() else 2) * grad_output * x


class DoubledInPlace(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.mark_dirty(x)
        return x.mul_(2)

    @staticmethod
    def backward(ctx, grad_output):
        return 2 * grad_output


def test_another_gradient_when_compiled() -> None:
    facts = compiled(setting_of(OtherWhenTraced, X))
    assert facts.outcome.outcome is Outcome.FAILED
    (wrong,) = facts.wrong_gradients
    assert (wrong.input_name, wrong.condition) == ("x", "only under torch.compile")
    assert wrong.numerical == pytest.approx(2 * wrong.analytical, rel=1e-6)


def test_what_torch_itself_does_not_compile_is_a_note() -> None:
    facts = compiled(setting_of(DoubledInPlace, X))
    assert facts.wrong_gradients == ()
    if facts.outcome.outcome is Outcome.FAILED:
        assert "torch.compile does not keep the backward of a change in place" in facts.notes[0]


def test_it_is_not_tried_where_there_never_was_the_time() -> None:
    facts = compiled(setting_of(healthy.Swish, X, seconds=0.5))
    assert facts.outcome.detail.startswith(NEEDS_MORE)


def test_a_graph_break_is_counted_and_is_no_fault() -> None:
    facts = compiled(setting_of(healthy.Cube, X))
    assert facts.outcome.outcome is Outcome.PASSED
    assert "graph" in facts.outcome.detail
