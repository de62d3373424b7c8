"""In what way a gradient is wrong, in words."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from gradscope.facts.checks import Pattern
from tests.checker.numeric.functions import altered, compared, function, numbers, only_wrong


def scaled(factor: float) -> Any:
    return lambda grads, inputs: [grads[0] * factor, *grads[1:]]


def softmax(x: Tensor) -> Tensor:
    return torch.softmax(x, -1)


def matmul(a: Tensor, b: Tensor) -> Tensor:
    return a @ b


def square(x: Tensor) -> Tensor:
    return x * x


@pytest.mark.parametrize(
    ("factor", "pattern", "text"),
    [
        (2.0, Pattern.FACTOR, "every element is 2 times too large"),
        (0.5, Pattern.FACTOR, "every element is 2 times too small"),
        (-1.0, Pattern.SIGN, "the sign is wrong"),
        (-3.0, Pattern.FACTOR, "every element is 3 times too large and the sign is wrong"),
        (0.0, Pattern.ZERO, "the gradient is 0"),
        (1.002, Pattern.FACTOR, "1.002 times what it should be"),
        (1 / 35, Pattern.FACTOR, "35 times too small: 35 is the number of elements of args[0]"),
        (7.0, Pattern.FACTOR, "7 times too large: 7 is the length of args[0]'s dimension 1"),
    ],
)
@pytest.mark.parametrize("forward", [softmax, square])
def test_factors(forward: Any, factor: float, pattern: Pattern, text: str) -> None:
    wrong = only_wrong(altered(forward, scaled(factor)), numbers(5, 7))
    assert wrong.pattern is pattern
    assert text in wrong.pattern_text
    assert (wrong.wrong, wrong.looked_at) == (35, 35)


def test_a_factor_of_many_elements() -> None:
    wrong = only_wrong(altered(softmax, scaled(1.01)), numbers(50, 60))
    assert wrong.pattern is Pattern.FACTOR
    assert wrong.wrong == wrong.looked_at


def test_a_scalar_argument_that_is_missing() -> None:
    def forward(x: Tensor, slope: float) -> Tensor:
        return torch.sinh(x) * slope

    def backward(inputs: Any, grad: Tensor) -> Any:
        return grad * torch.cosh(inputs[0]), None

    wrong = only_wrong(function(forward, backward), numbers(4, 3), 0.5)
    assert "the factor args[1]=0.5 is missing" in wrong.pattern_text


def test_two_is_not_a_missing_half() -> None:
    def forward(x: Tensor, slope: float) -> Tensor:
        return torch.sinh(x) * slope

    def backward(inputs: Any, grad: Tensor) -> Any:
        return 2 * grad * torch.cosh(inputs[0]) * inputs[1], None

    wrong = only_wrong(function(forward, backward), numbers(4, 3), 0.5)
    assert wrong.pattern_text == "every element is 2 times too large"


def test_a_region_that_a_scalar_bounds() -> None:
    def forward(x: Tensor, delta: float) -> Tensor:
        return torch.where(x.abs() < delta, x * x / 2, delta * (x.abs() - delta / 2))

    def backward(inputs: Any, grad: Tensor) -> Any:
        x, delta = inputs
        return grad * torch.where(x.abs() < delta, x, x.sign()), None

    wrong = only_wrong(function(forward, backward), numbers(6, 6), 0.5)
    assert wrong.pattern is Pattern.FACTOR
    assert "the factor args[1]=0.5 is missing, only where |args[0]| > args[1]=0.5" in wrong.pattern_text


def test_a_region() -> None:
    def change(grads: list[Tensor], inputs: Any) -> list[Tensor]:
        return [torch.where(inputs[0] > 0, grads[0] + inputs[0] ** 2, grads[0])]

    wrong = only_wrong(altered(torch.sinh, change), numbers(6, 6))
    assert wrong.pattern is Pattern.REGION
    assert wrong.pattern_text == "only where args[0] > 0"


@pytest.mark.parametrize("size", [8, 40])
def test_transpose(size: int) -> None:
    def change(grads: list[Tensor], inputs: Any) -> list[Tensor]:
        return [grads[0].T, grads[1]]

    wrong = only_wrong(altered(matmul, change), numbers(size, size), numbers(size, size, seed=1))
    assert wrong.pattern is Pattern.TRANSPOSE
    assert wrong.input_name == "args[0]"


def test_swapped() -> None:
    def change(grads: list[Tensor], inputs: Any) -> list[Tensor]:
        return [grads[1], grads[0]]

    found = compared(altered(lambda a, b: a * b, change), numbers(4, 5), numbers(4, 5, seed=1)).wrong
    assert [one.pattern for one in found] == [Pattern.SWAPPED] * 2
    assert found[0].pattern_text == "it is the gradient of args[1]"


@pytest.mark.parametrize("forward", [square, torch.tanh])
def test_missing_grad_output(forward: Any) -> None:
    def backward(inputs: Any, grad: Tensor) -> Any:
        x = inputs[0].detach().requires_grad_()
        with torch.enable_grad():
            return torch.autograd.grad(forward(x).sum(), x)[0]

    wrong = only_wrong(function(forward, backward), numbers(4, 5))
    assert wrong.pattern is Pattern.MISSING_GRAD_OUTPUT
    assert wrong.element == wrong.output_element


def test_missing_reduction() -> None:
    def forward(x: Tensor, bias: Tensor) -> Tensor:
        return torch.tanh(x) + bias

    def backward(inputs: Any, grad: Tensor) -> Any:
        return grad * (1 - torch.tanh(inputs[0]) ** 2), grad[0]

    wrong = only_wrong(function(forward, backward), numbers(6, 5), numbers(5))
    assert wrong.pattern is Pattern.MISSING_REDUCTION
    assert wrong.input_name == "args[1]"


def test_a_mean_in_place_of_a_sum() -> None:
    def backward(inputs: Any, grad: Tensor) -> Any:
        return grad, grad.mean(0)

    wrong = only_wrong(function(lambda x, b: x + b, backward), numbers(6, 5), numbers(5))
    assert wrong.pattern_text.startswith("every element is 6 times too small: 6 is the length of")


def test_offset() -> None:
    wrong = only_wrong(altered(square, lambda grads, inputs: [grads[0] + 0.25]), numbers(5, 5))
    assert wrong.pattern is Pattern.OFFSET
    assert "0.25" in wrong.pattern_text


def test_a_row_term() -> None:
    def change(grads: list[Tensor], inputs: Any) -> list[Tensor]:
        return [grads[0] + grads[0].square().sum(-1, keepdim=True)]

    wrong = only_wrong(altered(softmax, change), numbers(5, 6))
    assert wrong.pattern is Pattern.OFFSET
    assert "along each row" in wrong.pattern_text


@pytest.mark.parametrize(
    ("rows", "pattern", "text"),
    [
        ((slice(-1, None),), Pattern.BOUNDARY, "only in the last row"),
        ((slice(None), slice(0, 1)), Pattern.BOUNDARY, "only in the first column"),
        ((slice(3, 5),), Pattern.ROWS, "only in rows 3, 4"),
    ],
)
@pytest.mark.parametrize("size", [8, 40])
def test_rows(rows: Any, size: int, pattern: Pattern, text: str) -> None:
    wrong = only_wrong(altered(torch.sinh, cubed(rows)), numbers(size, size))
    assert (wrong.pattern, wrong.pattern_text) == (pattern, text)


def cubed(rows: Any) -> Any:
    def change(grads: list[Tensor], inputs: Any) -> list[Tensor]:
        grads[0] = grads[0].clone()
        grads[0][rows] += inputs[0][rows] ** 3 * grads[0][rows]
        return grads

    return change


def test_the_border() -> None:
    def change(grads: list[Tensor], inputs: Any) -> list[Tensor]:
        inside = torch.zeros_like(grads[0])
        inside[..., 1:-1, 1:-1] = 1
        return [grads[0] * torch.where(inside > 0, 1, inputs[0].abs())]

    wrong = only_wrong(altered(torch.sinh, change), numbers(2, 6, 7))
    assert (wrong.pattern, wrong.pattern_text) == (Pattern.BOUNDARY, "only along the border")


def test_a_factor_that_is_another_argument() -> None:
    def forward(x: Tensor, weight: Tensor) -> Tensor:
        return torch.softmax(x, -1) @ torch.eye(5, dtype=x.dtype) * weight

    def backward(inputs: Any, grad: Tensor) -> Any:
        y = torch.softmax(inputs[0], -1)
        return inputs[0].new_zeros(()) + y * (grad - (grad * y).sum(-1, True)), (grad * y).sum(0)

    found = compared(function(forward, backward), numbers(4, 5), numbers(5)).wrong
    assert [one.input_name for one in found] == ["args[0]"]

    def scaled_backward(inputs: Any, grad: Tensor) -> Any:
        return grad.clone(), (grad * inputs[0]).sum(0)

    wrong = only_wrong(function(lambda x, w: x * w, scaled_backward), numbers(4, 5), numbers(5))
    assert wrong.pattern is Pattern.FACTOR
    assert wrong.pattern_text == "the factor args[1] is missing"


def test_no_pattern_where_none_explains_it() -> None:
    def change(grads: list[Tensor], inputs: Any) -> list[Tensor]:
        return [grads[0] + 0.1 * torch.sin(7 * inputs[0]) * grads[0].abs()]

    wrong = only_wrong(altered(torch.sinh, change), numbers(6, 6))
    assert (wrong.pattern, wrong.pattern_text) == (Pattern.NONE, "")


def test_a_region_of_many_elements_is_told_by_its_values() -> None:
    call = function(lambda x: x * x.abs(), lambda inputs, grad: grad * 2 * inputs[0])
    wrong = only_wrong(call, numbers(30))
    assert (wrong.pattern, wrong.pattern_text) == (
        Pattern.SIGN,
        "the sign is wrong, only where args[0] < 0",
    )


def test_a_count_of_a_sample_says_how_many_there_are() -> None:
    call = function(torch.sin, lambda inputs, grad: grad * 1.5 * torch.cos(inputs[0]))
    wrong = only_wrong(call, numbers(300))
    assert (wrong.wrong, wrong.looked_at, wrong.elements) == (96, 96, 300)
    assert only_wrong(call, numbers(30)).elements == 0
