"""Functions with a backward of their own for benchmarks/check.py: right ones, and ways to make them wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

Inputs = list[Tensor]
Change = Callable[[Tensor], Tensor]


class Softmax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, change: Change | None = None) -> Tensor:
        y = torch.softmax(x, -1)
        ctx.save_for_backward(y)
        ctx.change = change
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        (y,) = ctx.saved_tensors
        dx = y * (grad - (grad * y).sum(-1, keepdim=True))
        return (dx if ctx.change is None else ctx.change(dx)), None


class LayerNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, change: Change | None = None) -> Tensor:
        mean = x.mean(-1, keepdim=True)
        scale = (x.var(-1, unbiased=False, keepdim=True) + 1e-5).rsqrt()
        normed = (x - mean) * scale
        ctx.save_for_backward(normed, scale, weight)
        ctx.change = change
        return normed * weight + bias

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        normed, scale, weight = ctx.saved_tensors
        inner = grad * weight
        dx = inner - inner.mean(-1, keepdim=True) - normed * (inner * normed).mean(-1, keepdim=True)
        dx = scale * dx
        dx = dx if ctx.change is None else ctx.change(dx)
        return dx, (grad * normed).flatten(0, -2).sum(0), grad.flatten(0, -2).sum(0), None


class MatMul(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, change: Change | None = None) -> Tensor:
        ctx.save_for_backward(a, b)
        ctx.change = change
        return a @ b

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        a, b = ctx.saved_tensors
        da = grad @ b.T
        return (da if ctx.change is None else ctx.change(da)), a.T @ grad, None


class Gelu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, change: Change | None = None) -> Tensor:
        ctx.save_for_backward(x)
        ctx.change = change
        return 0.5 * x * (1 + torch.erf(x * 0.5**0.5))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        density = torch.exp(-0.5 * x * x) * (0.5 / torch.pi) ** 0.5
        dx = grad * (0.5 * (1 + torch.erf(x * 0.5**0.5)) + x * density)
        return (dx if ctx.change is None else ctx.change(dx)), None


def inputs_of(name: str, rows: int, columns: int, seed: int) -> Inputs:
    """Gaussian inputs in float64 for one of `FUNCTIONS`."""
    generator = torch.Generator().manual_seed(seed)

    def numbers(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    if name == "layer norm":
        return [numbers(rows, columns), numbers(columns), numbers(columns)]
    if name == "matmul":
        return [numbers(rows, columns), numbers(columns, rows)]
    return [numbers(rows, columns)]


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "softmax": Softmax.apply,
    "layer norm": LayerNorm.apply,
    "matmul": MatMul.apply,
    "gelu": Gelu.apply,
}


def planted(where: str, size: float, seed: int) -> Change:
    """Makes the gradient of the first input too large by a share `size` in one element, row, column or in
    all of it; which one depends on the seed.
    """

    def change(gradient: Tensor) -> Tensor:
        generator = torch.Generator().manual_seed(seed + 1)
        row, column = (int(torch.randint(0, n, (1,), generator=generator)) for n in gradient.shape)
        places = {
            "element": (row, column),
            "row": (row, slice(None)),
            "column": (slice(None), column),
            "all": (slice(None), slice(None)),
        }
        wrong = gradient.clone()
        wrong[places[where]] *= 1 + size
        return wrong

    return change


@dataclass(frozen=True)
class Clean:
    """A function that torch differentiates itself, and inputs; nothing about it is wrong."""

    name: str
    call: Callable[..., Any]
    inputs: Inputs


def clean(seed: int) -> Iterator[Clean]:
    """25 functions whose gradients are right, at sizes and scales that depend on the seed."""
    generator = torch.Generator().manual_seed(seed)

    def pick(choices: list[Any]) -> Any:
        return choices[int(torch.randint(0, len(choices), (1,), generator=generator))]

    def numbers(*shape: int, scale: float = 1.0) -> Tensor:
        return scale * torch.randn(shape, generator=generator, dtype=torch.float64)

    rows, columns = pick([(1, 1), (3, 5), (10, 10), (32, 32), (64, 64), (100, 100)])
    scale, out = pick([1e-6, 1e-3, 1.0, 1e3, 1e6]), pick([1e-6, 1.0, 1e6])
    x = numbers(rows, columns, scale=scale)
    y = numbers(rows, columns)
    few = numbers(min(rows, 12), min(rows, 12))
    yield Clean("relu", lambda t: out * torch.relu(t), [x])
    yield Clean("leaky relu of a product", lambda t, w: out * torch.nn.functional.leaky_relu(t * w), [x, y])
    yield Clean("abs, summed", lambda t: out * t.abs().sum(), [x])
    yield Clean("clamp", lambda t: out * t.clamp(-scale, scale), [x])
    yield Clean("huber", lambda t: out * torch.nn.functional.huber_loss(t / scale, torch.zeros_like(t)), [x])
    yield Clean("round", lambda t: out * torch.round(t / scale * 3) * t, [x])
    yield Clean("floor", lambda t: torch.floor(t / scale * 50), [x])
    yield Clean("softmax", lambda t: out * torch.softmax(t / scale * 10, -1), [x])
    yield Clean("log softmax", lambda t: out * torch.log_softmax(t / scale, -1), [x])
    yield Clean("logsumexp", lambda t: out * torch.logsumexp(t / scale * 100, -1), [x])
    yield Clean("layer norm", lambda t: out * torch.nn.functional.layer_norm(t, t.shape[-1:], eps=1e-12), [x])
    yield Clean("matmul", lambda a, b: out * a @ b.T, [x, y])
    yield Clean("exp", lambda t: out * torch.exp(t / scale), [x])
    yield Clean("reciprocal", lambda t: out / t, [x])
    yield Clean("log", lambda t: out * torch.log(t.abs()), [x])
    yield Clean("sqrt", lambda t: out * torch.sqrt(t.abs()), [x])
    yield Clean("sine of large numbers", lambda t: out * torch.sin(t / scale * 1e4), [x])
    yield Clean("variance far from zero", lambda t: out * (t / scale + 1e4).var(unbiased=False), [x])
    yield Clean("cancellation", lambda t: out * ((t / scale + 1e6) - 1e6) ** 2, [x])
    yield Clean("inverse, badly conditioned", lambda a: out * torch.linalg.inv(_bad(a)), [few])
    yield Clean("solve", lambda a, b: out * torch.linalg.solve(_bad(a), b), [few, numbers(few.shape[0], 2)])
    yield Clean("max pooling", lambda t: out * torch.nn.functional.max_pool1d(t[None], 3, 1, 1), [x])
    yield Clean("sort", lambda t: out * torch.sort(t, -1).values.cumsum(-1), [x])
    yield Clean("dropout", lambda t: out * torch.nn.functional.dropout(t, 0.3), [x])
    yield Clean("float32 inside", lambda t: torch.tanh((t / scale).float()).double(), [x])


def _bad(matrix: Tensor) -> Tensor:
    """A matrix with condition numbers of about 10^5."""
    size = matrix.shape[0]
    scales = torch.logspace(0, -5, size, dtype=matrix.dtype)
    return matrix * 0.1 * scales + torch.diag(scales)
