"""torch.vmap against a loop."""

from __future__ import annotations

import pytest
import torch
from torch.autograd import Function

from gradscope.checker.cases.vmapped import vmapped
from gradscope.facts.checks import Outcome
from tests.checker import faulty, healthy
from tests.checker.cases.settings import setting_of

A = torch.linspace(-1, 2, 12).reshape(3, 4)
B = torch.linspace(0.5, 3, 12).reshape(3, 4)


class MeanOverSamples(Function):
    """The values are right, and the gradient is divided by the samples too."""

    @staticmethod
    def forward(x):
        return x**2

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)
        ctx.count = 1

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return 2 * grad_output * x

    @staticmethod
    def vmap(info, in_dims, x):
        return Divided.apply(x, info.batch_size), in_dims[0]


class Divided(Function):
    @staticmethod
    def forward(ctx, x, count):
        ctx.save_for_backward(x)
        ctx.count = count
        return x**2

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return 2 * grad_output * x / ctx.count, None


class AssumesTheFirstDimension(healthy.ProductWithRules):
    @staticmethod
    def vmap(info, in_dims, a, b):
        return healthy.ProductWithRules.apply(a, b), 0


class RaisesUnderVmap(healthy.ProductWithRules):
    @staticmethod
    def vmap(info, in_dims, a, b):
        raise ValueError("no samples")


class OldStyle(Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(ctx, x):
        return 2 * x

    @staticmethod
    def backward(ctx, grad_output):
        return 2 * grad_output


def test_other_values() -> None:
    facts = vmapped(setting_of(faulty.WrongVmap, A))
    (wrong,) = facts.wrong_gradients
    assert facts.outcome.outcome is Outcome.FAILED
    assert wrong.way == "vmap"
    assert len(wrong.element) == 3  # the sample comes first
    assert "returns other values" in facts.notes[0]


def test_only_the_gradient_is_wrong() -> None:
    facts = vmapped(setting_of(MeanOverSamples, A))
    (wrong,) = facts.wrong_gradients
    assert not facts.notes
    assert wrong.numerical == pytest.approx(3 * wrong.analytical, rel=1e-6)


def test_in_dims() -> None:
    facts = vmapped(setting_of(AssumesTheFirstDimension, A, B))
    assert facts.outcome.outcome is Outcome.FAILED
    assert "last dimension" in facts.outcome.detail


def test_a_rule_that_raises() -> None:
    facts = vmapped(setting_of(RaisesUnderVmap, A, B))
    (fault,) = facts.wrong_returns
    assert "ValueError: no samples" in fault.error
    assert fault.condition.startswith("only under torch.vmap")


@pytest.mark.parametrize("function", [healthy.Cube, healthy.RowSoftmax])
def test_generated_rules(function) -> None:
    facts = vmapped(setting_of(function, A))
    assert facts.outcome.outcome is Outcome.PASSED
    assert facts.outcome.detail == "2 forms, as a loop"


def test_plain_functions() -> None:
    facts = vmapped(setting_of(lambda a, b: (a @ b.t()).softmax(-1), A, B))
    assert (facts.outcome.outcome, facts.outcome.detail) == (Outcome.PASSED, "4 forms, as a loop")
    branching = vmapped(setting_of(lambda a: a if a.sum() > 0 else 2 * a, A))
    assert branching.outcome.outcome is Outcome.NOT_APPLICABLE


def test_where_it_does_not_apply() -> None:
    for function in (healthy.Softmax, OldStyle):
        assert vmapped(setting_of(function, A)).outcome.outcome is Outcome.NOT_APPLICABLE
