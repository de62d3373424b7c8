"""A program that sets another default device: what gradscope draws itself stays on the CPU."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from gradscope.checker.point import Sample
from gradscope.checker.run import Limits, check_function
from gradscope.checker.subjects.discovery import subject_of
from gradscope.facts.checks import Outcome
from tests.checker import healthy


@pytest.fixture
def elsewhere() -> Iterator[None]:
    """The default device is one whose tensors hold no values: a number drawn there is none."""
    torch.set_default_device("meta")
    yield
    torch.set_default_device(None)


@pytest.mark.usefixtures("elsewhere")
def test_nothing_is_drawn_on_the_default_device() -> None:
    x = torch.linspace(-1, 2, 12, device="cpu").reshape(3, 4)
    subject = subject_of(healthy.Swish, "Swish")
    assert subject is not None
    checked = check_function(subject, [Sample((x,))], Limits(19.0))
    assert checked.agreement is not None
    assert checked.agreement < 1e-9
    assert checked.wrong_gradients == checked.wrong_returns == checked.wrong_doubles == ()
    own = [one for one in checked.outcomes if "fault of gradscope's own" in one.detail]
    assert own == []
    assert {one.outcome for one in checked.outcomes if one.check == "double backward"} == {Outcome.PASSED}


@pytest.mark.usefixtures("elsewhere")
def test_a_wrong_gradient_is_located_as_ever() -> None:
    x = torch.linspace(-1, 2, 12, device="cpu").reshape(3, 4)

    class Doubled(healthy.Swish):
        @staticmethod
        def backward(ctx, grad_output):  # type: ignore[no-untyped-def]
            return 2 * healthy.Swish.backward(ctx, grad_output)

    subject = subject_of(Doubled, "Doubled")
    assert subject is not None
    (wrong,) = check_function(subject, [Sample((x,))], Limits(19.0)).wrong_gradients
    assert wrong.pattern_text.startswith("every element is 2")
