"""Arguments found by trial: their shapes, that forward takes them, and what is said of them."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from gradscope.checker.point import Deadline, Sample
from gradscope.checker.samples.inference import infer
from gradscope.checker.subject import Subject
from gradscope.checker.subjects.discovery import subject_of, subjects_of
from gradscope.facts.checks import Origin
from tests.checker import styles


def inferred(function: Any) -> list[Sample]:
    subject = subject_of(function, getattr(function, "__name__", "f"))
    assert subject is not None
    samples, why = infer(subject, Deadline(10))
    assert bool(samples) != bool(why)
    return samples


def shapes(function: Any) -> list[Any]:
    """The arguments of the first sample: shapes of floating-point tensors, dtypes of others, values."""

    def told(value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        return tuple(value.shape) if value.is_floating_point() else (value.dtype, *value.shape)

    return [told(value) for value in inferred(function)[0].args]


def linear(x, weight, bias):
    return x @ weight.t() + bias


def product(a, b):
    return a @ b


def layer_norm(x, gamma, beta, eps):
    return functional.layer_norm(x, gamma.shape, gamma, beta, eps)


def convolution(images, kernel):
    return functional.conv2d(images, kernel)


def batch_norm(x, mean, var):
    return functional.batch_norm(x.flatten(1).unsqueeze(-1), mean, var)


def attention(q, k, v):
    return (q @ k.transpose(-1, -2)).softmax(-1) @ v


def gathered(table, index):
    return table[index]


def picked(logits, target):
    return functional.nll_loss(logits.log_softmax(-1), target)


def masked(x, mask):
    return x.masked_fill(mask, 0.0)


def scattered(values, idx, dim_size):
    return torch.zeros(dim_size, values.shape[1]).index_add(0, idx, values)


def entropy(p):
    assert bool((p > 0).all())
    return p * p.log()


def logit(x):
    return torch.log(x) - torch.log(1 - x)


def reduced(x, y, reduction):
    loss = (x - y) ** 2
    if reduction == "mean":
        return loss.mean()
    if reduction == "sum":
        return loss.sum()
    raise ValueError(reduction)


def clamped(x, low, high):
    if not low < high:
        raise ValueError
    return x.clamp(low, high)


def along(x, dim):
    return x.softmax(dim=dim)


def stacked(tensors):
    return torch.stack(list(tensors)).prod(0)


def annotated(x: Tensor, tensors: list[Tensor], count: int, scale: float, flag: bool) -> Tensor:
    assert isinstance(count, int)
    assert isinstance(scale, float)
    assert isinstance(flag, bool)
    return x * scale * count + torch.stack(tensors).sum()


def run(fn, x):
    return fn(x) * 2


def only_square(matrix):
    return torch.linalg.inv(matrix)


def images_only(x):
    assert len(x.shape) == 4
    return x.mean((2, 3))


def quantised(x, scale, zero_point, num_bits):
    high = 2**num_bits - 1
    return ((x / scale + zero_point).round().clamp(0, high) - zero_point) * scale


def by_name(x, *, weight):
    return x * weight


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (linear, [(4, 3), (5, 3), (5,)]),
        (product, [(4, 3), (3, 5)]),
        (layer_norm, [(4, 3), (3,), (3,), 1e-5]),
        (attention, [(4, 3), (4, 3), (4, 3)]),
        (gathered, [(4, 3), (torch.int64, 4)]),
        (masked, [(4, 3), (torch.bool, 4, 3)]),
        (scattered, [(4, 3), (torch.int64, 4), 3]),
        (clamped, [(4, 3), -0.7, 0.9]),
        (along, [(4, 3), -1]),
        (only_square, [(3, 3)]),
        (reduced, [(4, 3), (4, 3), "mean"]),
        (quantised, [(4, 3), 0.7, (4, 3), 4]),
        (torch.erf, [(4, 3)]),
        (torch.matmul, [(4, 3), (3, 5)]),
        (torch.ops.aten.leaky_relu, [(4, 3)]),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_shapes(function: Any, expected: list[Any]) -> None:
    assert shapes(function) == expected


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x, w: x * w, "x randn(4, 3), w randn(3)"),
        (lambda x, b: x + b, "x randn(4, 3), b randn(3)"),
        (lambda a, b: a + b, "a randn(4, 3), b randn(4, 3)"),
        (lambda x, weight, bias: x * weight + bias, "x randn(4, 3), weight randn(3), bias randn(3)"),
        (lambda x, scale, shift: x * scale + shift, "x randn(4, 3), scale randn(3), shift randn(3)"),
        (lambda x, scale: x * scale, "x randn(4, 3), scale 0.7"),
        (
            lambda x, gamma, beta, eps: x / (x.norm() + eps) * gamma + beta,
            "x randn(4, 3), gamma randn(3), beta randn(3), eps 1e-05",
        ),
        (
            lambda x, weight, eps: x / (x.norm() + eps) * weight,
            "x randn(4, 3), weight randn(3), eps 1e-05",
        ),
        (
            lambda x, w1, b1, w2, b2: (x @ w1 + b1).relu() @ w2 + b2,
            "x randn(4, 3), w1 randn(3, 5), b1 randn(5), w2 randn(5, 3), b2 randn(3)",
        ),
        (
            lambda x, A, B, scaling: x @ A @ B * scaling,  # noqa: N803  as papers write it
            "x randn(4, 3), A randn(3, 5), B randn(5, 3), scaling 0.7",
        ),
        (
            lambda points, centers, sigma: torch.cdist(points, centers) / sigma,
            "points randn(4, 3), centers randn(5, 3), sigma 0.7",
        ),
        (
            lambda q, k, v, mask: (q @ k.mT).masked_fill(mask, -9.0).softmax(-1) @ v,
            "q randn(4, 3), k randn(4, 3), v randn(4, 3), mask rand(4, 4) > 0.3",
        ),
        (lambda x, kernel_size: functional.avg_pool2d(x, kernel_size), "x randn(2, 3, 6, 5), kernel_size 2"),
        (
            lambda x, grid: functional.grid_sample(x, grid, align_corners=False),
            "x randn(2, 3, 6, 5), grid randn(2, 6, 5, 2)",
        ),
        (
            lambda pred, target, reduction: functional.mse_loss(pred, target, reduction=reduction),
            "pred randn(4, 3), target randn(4, 3).softmax(-1), reduction 'mean'",
        ),
        (
            lambda x, num_groups, weight, bias: functional.group_norm(x, num_groups, weight, bias),
            "x randn(4, 3), num_groups 3, weight randn(3), bias randn(3)",
        ),
        (
            lambda probs, target: functional.binary_cross_entropy(probs, target),
            "probs 0.8 * rand(4, 3) + 0.1, target randn(4, 3).softmax(-1)",
        ),
    ],
)
def test_what_an_author_would_mean(function: Any, expected: str) -> None:
    assert texts(inferred(function))[0] == expected


def test_shares_add_up_to_exactly_one() -> None:
    (sample, *_) = inferred(lambda logits, target: -(logits.log_softmax(-1) * target).sum())
    target = sample.args[1].double()
    assert torch.equal(target.sum(-1), torch.ones(4, dtype=torch.float64))
    assert bool((target >= 0).all())


@pytest.mark.parametrize("function", [convolution, batch_norm, picked, images_only, annotated, stacked])
def test_others_that_forward_takes(function: Callable[..., Any]) -> None:
    for sample in inferred(function):
        assert torch.isfinite(function(*sample.args, **sample.kwargs)).all()


@pytest.mark.parametrize("function", [entropy, logit])
def test_numbers_in_the_domain(function: Callable[..., Any]) -> None:
    (sample, *_) = inferred(function)
    assert torch.isfinite(function(*sample.args)).all()
    assert "rand(" in sample.source


def test_a_function_as_an_argument() -> None:
    function, x = inferred(run)[0].args
    assert x.shape == (4, 3)
    assert torch.equal(function(x, x), 2 * x.tanh())


def test_arguments_by_name() -> None:
    sample = inferred(by_name)[0]
    assert (len(sample.args), set(sample.kwargs)) == (1, {"weight"})


def test_what_is_said_is_what_was_made() -> None:
    sample = inferred(scattered)[0]
    assert sample.source.startswith("inferred: values randn(4, 3), idx randint(0, 3, (4,)), dim_size ")
    assert sample.origin is Origin.INFERRED


@pytest.mark.parametrize("subject", subjects_of(styles), ids=lambda subject: subject.name)
def test_every_style_gets_arguments(subject: Subject) -> None:
    samples, why = infer(subject, Deadline(10))
    assert samples
    assert not why
    for sample in samples:
        subject.call(*sample.args, **sample.kwargs)


def texts(samples: Sequence[Sample]) -> list[str]:
    return [sample.source.removeprefix("inferred: ") for sample in samples]


def test_variants() -> None:
    assert texts(inferred(reduced)) == [
        "x randn(4, 3), y randn(4, 3), reduction 'mean'",
        "x randn(4, 3), y randn(4, 3), reduction 'sum'",
        "x randn(2, 4, 3), y randn(2, 4, 3), reduction 'mean'",
    ]
    assert texts(inferred(styles.Affine)) == [
        "x randn(4, 3), weight randn(5, 3), bias randn(5), activation 'relu'",
        "x randn(4, 3), weight randn(5, 3), bias None, activation 'relu'",
        "x randn(4, 3), weight randn(5, 3), bias randn(5), activation 'none'",
    ]


def test_dimensions_with_a_meaning_of_their_own_are_not_changed() -> None:
    assert texts(inferred(picked)) == ["logits randn(4, 3), target randint(0, 3, (4,))"]
    assert len(inferred(linear)) == 1


def test_of_about_equal_arguments_those_that_backward_takes() -> None:
    class Transposed(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
            return x.sum() * weight.sum()

        @staticmethod
        def backward(ctx: Any, grad_output: Tensor) -> Any:
            return grad_output.expand(4, 3), grad_output.expand(3, 5)

    assert shapes(Transposed) == [(4, 3), (3, 5)]


def test_a_backward_that_always_raises_does_not_change_the_arguments() -> None:
    class Swapped(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
            ctx.save_for_backward(x, weight)
            return x @ weight.t()

        @staticmethod
        def backward(ctx: Any, grad_output: Tensor) -> Any:
            x, weight = ctx.saved_tensors
            return grad_output.t() @ x, grad_output @ weight

    assert shapes(Swapped) == [(4, 3), (5, 3)]


def test_backward_tells_the_shape_that_is_meant() -> None:
    class Shifted(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor, by: Tensor) -> Tensor:
            ctx.save_for_backward(by)
            return x + by

        @staticmethod
        def backward(ctx: Any, grad_output: Tensor) -> Any:
            return grad_output, grad_output.sum(0)

    assert shapes(Shifted) == [(4, 3), (3,)]


def test_backward_tells_that_a_number_is_meant_to_be_a_tensor() -> None:
    class Kept(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor, other: Any) -> Tensor:
            ctx.x = x
            ctx.other = other
            return x * other

        @staticmethod
        def backward(ctx: Any, grad_output: Tensor) -> Any:
            return grad_output * ctx.other, grad_output * ctx.x

    assert shapes(Kept) == [(4, 3), (4, 3)]


def test_other_dimensions_are_unusual() -> None:
    assert [sample.unusual for sample in inferred(reduced)] == [False, False, True]


def test_a_forward_that_takes_nothing() -> None:
    def never(x: Tensor, y: Tensor) -> Tensor:
        raise ValueError("needs a dataset")

    subject = subject_of(never, "never")
    assert subject is not None
    samples, why = infer(subject, Deadline(10))
    assert samples == []
    assert why.startswith("forward raises for all ")
    assert (
        "(the first attempt: ValueError: needs a dataset); give them: --input 'x=...' --input 'y=...'" in why
    )


def test_no_argument_and_no_tensor() -> None:
    subject = subject_of(lambda: torch.ones(1), "constant")
    assert subject is not None
    assert infer(subject, Deadline(10)) == ([], "it takes no arguments")
    counted = subject_of(lambda x: x.argmax(), "argmax")
    assert counted is not None
    samples, why = infer(counted, Deadline(10))
    assert not samples
    assert "forward returns no floating-point tensor" in why


def test_a_slow_forward_is_not_tried_often() -> None:
    calls = []

    def slow(x: Tensor) -> Tensor:
        calls.append(x)
        time.sleep(0.5)
        raise ValueError

    subject = subject_of(slow, "slow")
    assert subject is not None
    samples, why = infer(subject, Deadline(10))
    assert (len(samples), len(calls)) == (0, 2)
    assert why.startswith("no arguments were found in the time there was; give them: --input 'x=...', or in ")
    assert why.endswith('": (x,)}')


def test_a_first_call_that_takes_all_the_time() -> None:
    calls = []

    def compiling(x: Tensor, size: int) -> Tensor:
        calls.append(x)
        if len(calls) == 1:
            time.sleep(0.6)
        return x.view(2, size)

    subject = subject_of(compiling, "compiling")
    assert subject is not None
    samples, _ = infer(subject, Deadline(1.0))
    assert samples[0].args[1] == 6


def test_modules_tell_their_input() -> None:
    subject = subject_of(nn.Sequential(nn.Linear(7, 2), nn.Tanh()), "net")
    assert subject is not None
    samples, _ = infer(subject, Deadline(10))
    assert samples[0].args[0].shape == (2, 7)


def test_generators_and_output_are_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    def noisy(x: Tensor) -> Tensor:
        print("noise")
        warnings.warn("noise", stacklevel=1)
        return x + torch.randn(3)

    before = torch.get_rng_state()
    first, second = inferred(noisy), inferred(noisy)
    assert capsys.readouterr().out == ""
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first[0].args[0], second[0].args[0])
