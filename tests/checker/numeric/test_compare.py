"""Right gradients agree, wrong ones are found and followed to the element."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from gradscope.checker.numeric import compare
from gradscope.checker.point import Deadline
from gradscope.facts.checks import Cause
from tests.checker.numeric.functions import altered, compared, function, numbers, only_wrong, point


def softmax(x: Tensor) -> Tensor:
    return torch.softmax(x, -1)


def one_element(place: tuple[int, ...], factor: float = 1.001) -> Any:
    def change(grads: list[Tensor], inputs: Any) -> list[Tensor]:
        grads[0] = grads[0].clone()
        grads[0][place] *= factor
        return grads

    return change


@pytest.mark.parametrize("place", [(0, 0), (17, 41), (63, 63)])
def test_one_element_of_4096_that_is_wrong_by_a_thousandth(place: tuple[int, int]) -> None:
    wrong = only_wrong(altered(softmax, one_element(place)), numbers(64, 64))
    assert wrong.element == place
    assert wrong.output_element is not None
    assert wrong.output_element[0] == place[0]
    assert wrong.analytical is not None
    assert wrong.analytical / wrong.numerical == pytest.approx(1.001, rel=1e-5)
    assert wrong.uncertainty < 1e-4 * abs(wrong.numerical)
    assert (wrong.wrong, wrong.looked_at) == (1, 4096)
    assert wrong.cause is Cause.FORMULA


@pytest.mark.parametrize("factor", [1 + 1e-6, 1 - 3e-8])
def test_a_difference_too_small_to_be_a_mistake_counts_for_the_agreement(factor: float) -> None:
    found = compared(
        function(torch.exp, lambda inputs, grad: grad * factor * torch.exp(inputs[0])), numbers(4, 3)
    )
    assert not found.wrong
    assert found.agreement == pytest.approx(abs(factor - 1), rel=0.1)


def test_rounding_counts_for_the_agreement() -> None:
    def backward(inputs: Any, grad: Tensor) -> Tensor:
        return (grad.float() * torch.exp(inputs[0].float())).double()

    found = compared(function(torch.exp, backward), numbers(4, 3))
    assert not found.wrong
    assert found.agreement is not None
    assert 1e-9 < found.agreement < 1e-6


def test_a_small_gradient_among_large_ones() -> None:
    sizes = torch.logspace(0, -8, 400, dtype=torch.float64).reshape(20, 20)

    def forward(x: Tensor) -> Tensor:
        return torch.sin(x) * sizes

    wrong = only_wrong(altered(forward, one_element((19, 3))), numbers(20, 20))
    assert wrong.element == (19, 3)


def test_the_verdict_without_places_is_the_same() -> None:
    call = altered(softmax, one_element((3, 4), 1.01))
    found = compared(call, numbers(10, 10), locate=False)
    assert [one.input_name for one in found.wrong] == ["args[0]"]
    assert not compared(softmax, numbers(10, 10), locate=False).wrong


def test_zero_dimensions_and_empty_tensors() -> None:
    assert compared(torch.exp, numbers()).agreement is not None
    assert only_wrong(altered(torch.exp, one_element(())), numbers()).element == ()
    assert compared(torch.exp, numbers(0, 3)).failed == "every input is empty"
    assert not compared(lambda a, b: a.sum() + b.exp(), numbers(0, 3), numbers(2)).wrong


def test_complex_gradients_follow_torchs_convention() -> None:
    x = torch.complex(numbers(4, 3), numbers(4, 3, seed=1))
    for call in (torch.fft.fft, torch.abs, lambda t: t * t.conj() * t, torch.angle, torch.view_as_real):
        assert not compared(call, x).wrong
    wrong = only_wrong(function(lambda t: t * t, lambda inputs, grad: grad * 2 * inputs[0]), x)
    assert len(wrong.element) == 2


def test_several_outputs_of_which_some_do_not_depend_or_are_integers() -> None:
    def call(x: Tensor, y: Tensor) -> Any:
        return {"both": x * y, "one": (y.exp(), [x.argmax(), x.sum()])}, x.detach()

    found = compared(call, numbers(3, 4), numbers(3, 4, seed=1))
    assert not found.wrong
    assert not found.failed


def test_inputs_that_are_views_of_one_tensor() -> None:
    whole = numbers(6, 6)
    assert not compared(lambda a, b: a @ b, whole[:3], whole.T[:, :2]).wrong


def test_the_deadline_leaves_inputs_unchecked() -> None:
    found = compare(point(lambda a, b: a * b, numbers(3), numbers(3)), Deadline(0.0))
    assert not found.complete
    assert not found.wrong


def test_what_cannot_be_compared_says_why() -> None:
    calls = [0]

    def counting(x: Tensor) -> Tensor:
        calls[0] += 1
        return x * calls[0]

    assert compared(counting, numbers(3)).failed.startswith("forward is not a function of its inputs")
    assert "NaN or Inf" in compared(lambda x: x / 0.0, numbers(3)).failed
    assert compared(lambda x: x.detach(), numbers(3)).failed == "no output requires a gradient"

    def raises(inputs: Any, grad: Tensor) -> Any:
        raise ValueError("not today\nsecond line")

    failed = compared(function(torch.exp, raises), numbers(3)).failed
    assert failed == "backward raises ValueError: not today"


def test_random_forwards_are_seeded_and_generators_left_alone() -> None:
    torch.manual_seed(7), random.seed(7), np.random.seed(7)
    before = torch.get_rng_state().clone(), random.getstate(), np.random.get_state()[1].copy()
    found = compared(lambda x: torch.nn.functional.dropout(x, 0.4) * random.random(), numbers(20, 20))
    assert not found.failed
    assert not found.wrong
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    assert (np.random.get_state()[1] == before[2]).all()


def test_everything_is_repeatable() -> None:
    call = altered(softmax, one_element((5, 6), 1.01))
    first, again = (compared(call, numbers(30, 30)) for _ in range(2))
    assert first == again


def test_none_where_the_derivative_is_not_zero() -> None:
    call = function(lambda x, w: x * w, lambda inputs, grad: (grad * inputs[1], None))
    wrong = only_wrong(call, numbers(4), numbers(4, seed=1))
    assert (wrong.cause, wrong.analytical, wrong.input_name) == (Cause.MISSING, None, "args[1]")


def test_none_where_the_program_asks_for_no_gradient() -> None:
    call = function(lambda x, w: x * w, lambda inputs, grad: (grad * inputs[1], None))
    found = compared(call, numbers(4).requires_grad_(), numbers(4, seed=1))
    assert not found.wrong
    assert not found.failed


def test_none_where_the_derivative_is_zero() -> None:
    call = function(lambda x, w: x * 2 + 0 * w, lambda inputs, grad: (grad * 2, None))
    assert not compared(call, numbers(4), numbers(4)).wrong


def test_a_gradient_that_is_not_finite() -> None:
    def backward(inputs: Any, grad: Tensor) -> Any:
        return grad * torch.where(inputs[0] > 1, float("nan"), torch.cos(inputs[0]))

    wrong = only_wrong(function(torch.sin, backward), numbers(30))
    assert wrong.analytical is not None
    assert wrong.analytical != wrong.analytical
    assert wrong.pattern_text == "the gradient is not finite where the derivative is"


def test_infinite_inputs_are_left_out() -> None:
    x = numbers(4, 5)
    x[1, 2] = x[3, 0] = float("-inf")
    assert not compared(softmax, x).wrong
    assert only_wrong(altered(softmax, one_element((0, 1), 2.0)), x).element == (0, 1)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_scales(scale: float) -> None:
    x = numbers(40, 40) * scale
    for call in (torch.relu, torch.tanh, lambda t: torch.softmax(t / scale, -1), torch.reciprocal):
        assert not compared(call, x).wrong
    call = altered(lambda t: torch.sinh(t / scale), one_element((7, 9)))
    assert only_wrong(call, x).element == (7, 9)
