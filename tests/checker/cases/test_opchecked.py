"""torch.library.opcheck, and vmap, for custom ops."""

from __future__ import annotations

import uuid

import torch
from torch import Tensor

from gradscope.checker.cases.opchecked import opchecked
from gradscope.checker.cases.vmapped import vmapped
from gradscope.facts.checks import Outcome
from tests.checker import healthy
from tests.checker.cases.settings import setting_of

X = torch.linspace(-1, 2, 12).reshape(3, 4)


def op(*, fake: bool = True, wrong_shape: bool = False):
    """A custom op that doubles, registered under a name of its own."""

    @torch.library.custom_op(f"gradscope_tests::doubled_{uuid.uuid4().hex}", mutates_args=())
    def doubled(x: Tensor) -> Tensor:
        return 2 * x

    doubled.register_autograd(lambda ctx, grad_output: 2 * grad_output)
    if fake:
        doubled.register_fake(lambda x: x.new_empty(x.shape[:1]) if wrong_shape else torch.empty_like(x))
    return doubled


def test_a_right_op() -> None:
    facts = opchecked(setting_of(op(), X))
    assert (facts.outcome.outcome, facts.outcome.detail) == (Outcome.PASSED, "4 tests")


def test_a_wrong_fake_implementation() -> None:
    facts = opchecked(setting_of(op(wrong_shape=True), X))
    assert facts.outcome.outcome is Outcome.FAILED
    assert any("test_faketensor" in note for note in facts.notes)


def test_no_fake_implementation() -> None:
    facts = opchecked(setting_of(op(fake=False), X))
    assert facts.outcome.outcome is Outcome.NOT_APPLICABLE, facts


def test_only_custom_ops_and_only_with_time() -> None:
    assert opchecked(setting_of(healthy.Softmax, X)).outcome.outcome is Outcome.NOT_APPLICABLE
    assert opchecked(setting_of(op(), X, seconds=0.1)).outcome.outcome is Outcome.NOT_CHECKED


def test_vmap_of_an_op() -> None:
    plain, mapped, wrong = op(), op(), op()
    mapped.register_vmap(lambda info, in_dims, x: (mapped(x), in_dims[0]))
    wrong.register_vmap(lambda info, in_dims, x: (wrong(x), 0))
    assert vmapped(setting_of(plain, X)).outcome.outcome is Outcome.NOT_APPLICABLE
    assert vmapped(setting_of(mapped, X)).outcome.outcome is Outcome.PASSED
    assert vmapped(setting_of(wrong, X)).outcome.outcome is Outcome.FAILED
