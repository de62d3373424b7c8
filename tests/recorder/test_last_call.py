"""What the call that ended a program was given: a NaN is told, where it was at fault."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.distributions import Categorical
from torch.nn import functional

from gradscope.recorder import Recorder
from gradscope.recorder.last_call import Refused, refused_by

NAN = float("nan")


def ended(program: Callable[[Tensor], object]) -> Refused | None:
    """Runs a program that fails on one NaN in a (2, 2) result of a parameter, and asks why."""
    weight = torch.ones(2, 2, requires_grad=True)
    with Recorder():
        given = weight * torch.tensor([[1.0, NAN], [1.0, 1.0]])
        with pytest.raises((RuntimeError, ValueError, AssertionError)) as caught:
            program(given)
    return refused_by(caught.value)


def test_an_op_that_refuses_its_input() -> None:
    found = ended(lambda given: functional.binary_cross_entropy(given, torch.zeros(2, 2)))
    assert found is not None
    assert (found.by, found.tensor.shape, found.found) == ("binary_cross_entropy", (2, 2), "nan")


def test_an_op_of_torch_itself_is_named() -> None:
    found = ended(lambda given: torch.multinomial(given, 1))
    assert found is not None
    assert found.by == "multinomial"


def test_a_class_that_checks_its_arguments_is_named_by_its_name() -> None:
    found = ended(lambda given: Categorical(given, validate_args=True))
    assert found is not None
    assert found.by == "Categorical"


def test_the_program_that_stops_by_itself_beside_its_loss() -> None:
    def stops(given: Tensor) -> None:
        loss = given.sum()
        assert torch.isfinite(loss), "not finite"

    found = ended(stops)
    assert found is not None
    assert (found.by, found.tensor.dim(), found.found) == ("", 0, "nan")


def test_a_failure_of_another_call_is_not_explained_by_a_nan_beside_it() -> None:
    def fails(given: Tensor) -> None:
        functional.linear(torch.ones(2, 3), torch.ones(2, 2))

    assert ended(fails) is None


def test_an_infinity_that_was_handed_on_is_meant() -> None:
    def fails(given: Tensor) -> None:
        functional.linear(torch.full((2, 3), float("-inf")), torch.ones(2, 2))

    assert ended(fails) is None


def test_a_program_that_raises_over_something_else_beside_a_finite_loss() -> None:
    def raises(given: Tensor) -> None:
        loss = given.nansum()
        raise ValueError(f"too large: {loss}")

    assert ended(raises) is None
