"""Functions whose backward is right, of many kinds: nothing may be said against any of them.

Each has its arguments in `gradscope_inputs`, so that `gradscope check` takes the file as it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional

gradscope_inputs: dict[str, Callable[[], tuple[Any, ...]]] = {}


def given(make: Callable[[], tuple[Any, ...]]) -> Callable[[Any], Any]:
    """Says with which arguments the function below is called."""

    def note(function: Any) -> Any:
        gradscope_inputs[function.__name__] = make
        return function

    return note


def normal(*shape: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
    """Normal values that are the same in every call."""
    generator = torch.Generator().manual_seed(1 + seed + sum(shape))
    return torch.randn(shape, generator=generator, dtype=dtype)


def uniform(*shape: int, seed: int = 0) -> Tensor:
    """Values in [0.1, 1)."""
    generator = torch.Generator().manual_seed(1 + seed + sum(shape))
    return 0.1 + 0.9 * torch.rand(shape, generator=generator)


# ---------------------------------------------------------------- elementwise


@given(lambda: (normal(4, 3),))
class Relu(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp_min(0)

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return grad_output * (x > 0)


@given(lambda: (normal(5, 2), 0.1))
class LeakyRelu(Function):
    @staticmethod
    def forward(ctx, x, slope):
        ctx.save_for_backward(x)
        ctx.slope = slope
        return torch.where(x > 0, x, slope * x)

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return torch.where(x > 0, grad_output, ctx.slope * grad_output), None


@given(lambda: (normal(3, 4), -0.5, 0.7))
class Clamp(Function):
    @staticmethod
    def forward(ctx, x, low, high):
        ctx.save_for_backward(x)
        ctx.low, ctx.high = low, high
        return x.clamp(low, high)

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        inside = (x >= ctx.low) & (x <= ctx.high)
        return grad_output.masked_fill(~inside, 0.0), None, None


@given(lambda: (4 * normal(6),))
class HardSigmoid(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward((x > -3) & (x < 3))
        return (x / 6 + 0.5).clamp(0, 1)

    @staticmethod
    def backward(ctx, grad_output):
        (inside,) = ctx.saved_tensors
        return torch.where(inside, grad_output / 6, torch.zeros_like(grad_output))


@given(lambda: (3 * normal(6), 3 * normal(6, seed=1), 0.8))
class Huber(Function):
    @staticmethod
    def forward(ctx, prediction, target, delta):
        ctx.save_for_backward(prediction, target)
        ctx.delta = delta
        error = prediction - target
        quadratic = error.abs() <= delta
        return torch.where(quadratic, 0.5 * error**2, delta * (error.abs() - 0.5 * delta)).mean()

    @staticmethod
    def backward(ctx, grad_output):
        prediction, target = ctx.saved_tensors
        error = (prediction - target).clamp(-ctx.delta, ctx.delta)
        grad = grad_output * error / error.numel()
        return grad, -grad, None


@given(lambda: (normal(4, 4),))
class Swish(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * torch.sigmoid(x)

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        s = torch.sigmoid(x)
        return grad_output * s * (1 + x * (1 - s))


@given(lambda: (normal(7),))
class GeluTanh(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return functional.gelu(x, approximate="tanh")

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        c = math.sqrt(2 / math.pi)
        t = torch.tanh(c * (x + 0.044715 * x**3))
        return grad_output * (0.5 * (1 + t) + 0.5 * x * (1 - t**2) * c * (1 + 3 * 0.044715 * x**2))


@given(lambda: (normal(3, 3),))
class Exponential(Function):
    @staticmethod
    def forward(ctx, x):
        y = x.exp()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_output):
        (y,) = ctx.saved_tensors
        return grad_output * y


@given(lambda: (uniform(4, 3), uniform(4, 3, seed=1)))
class Hypotenuse(Function):
    @staticmethod
    def forward(ctx, a, b):
        c = torch.sqrt(a * a + b * b)
        ctx.save_for_backward(a, b, c)
        return c

    @staticmethod
    def backward(ctx, grad_output):
        a, b, c = ctx.saved_tensors
        return grad_output * a / c, grad_output * b / c


@given(lambda: (normal(4, dtype=torch.complex64), normal(4, dtype=torch.complex64, seed=1)))
class ComplexMultiply(Function):
    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return a * b

    @staticmethod
    def backward(ctx, grad_output):
        a, b = ctx.saved_tensors
        return grad_output * b.conj(), grad_output * a.conj()


# ---------------------------------------------------------------- normalisation, attention


@given(lambda: (normal(4, 5),))
class Softmax(Function):
    @staticmethod
    def forward(ctx, x):
        y = torch.softmax(x, -1)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, grad_output):
        (y,) = ctx.saved_tensors
        return y * (grad_output - (grad_output * y).sum(-1, keepdim=True))


@given(lambda: (normal(3, 4), 1))
class LogSoftmax(Function):
    @staticmethod
    def forward(ctx, x, dim):
        y = x - torch.logsumexp(x, dim, keepdim=True)
        ctx.save_for_backward(y)
        ctx.dim = dim
        return y

    @staticmethod
    def backward(ctx, grad_output):
        (y,) = ctx.saved_tensors
        return grad_output - y.exp() * grad_output.sum(ctx.dim, keepdim=True), None


@given(lambda: (normal(4, 6), normal(6), normal(6, seed=1), 1e-5))
class LayerNorm(Function):
    @staticmethod
    def forward(ctx, x, weight, bias, eps):
        centred = x - x.mean(-1, keepdim=True)
        rstd = (centred.square().mean(-1, keepdim=True) + eps).rsqrt()
        normalised = centred * rstd
        ctx.save_for_backward(normalised, rstd, weight)
        return normalised * weight + bias

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_output):
        normalised, rstd, weight = ctx.saved_tensors
        g = grad_output * weight
        along = (g * normalised).mean(-1, keepdim=True)
        grad_x = rstd * (g - g.mean(-1, keepdim=True) - normalised * along)
        rows = tuple(range(grad_output.dim() - 1))
        return grad_x, (grad_output * normalised).sum(rows), grad_output.sum(rows), None


@given(lambda: (normal(2, 3, 5), uniform(5)))
class RmsNorm(Function):
    @staticmethod
    def forward(ctx, x, weight):
        ctx.save_for_backward(x, weight)
        return x * (x.square().mean(-1, keepdim=True) + 1e-6).rsqrt() * weight

    @staticmethod
    def backward(ctx, grad_output):
        x, weight = ctx.saved_tensors
        r = (x.square().mean(-1, keepdim=True) + 1e-6).rsqrt()
        g = grad_output * weight
        grad_x = r * g - x * r**3 * (g * x).mean(-1, keepdim=True)
        return grad_x, (grad_output * x * r).flatten(0, -2).sum(0)


@given(lambda: (normal(6, 3), torch.zeros(3), torch.ones(3)))
class BatchNormWithStatistics(Function):
    """The running statistics are buffers: changed in place, and nothing depends on them."""

    @staticmethod
    def forward(ctx, x, running_mean, running_var):
        mean, var = x.mean(0), x.var(0, unbiased=False)
        with torch.no_grad():
            running_mean.mul_(0.9).add_(0.1 * mean)
            running_var.mul_(0.9).add_(0.1 * var)
        ctx.save_for_backward(x)
        return (x - mean) * (var + 1e-5).rsqrt()

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        rstd = (x.var(0, unbiased=False) + 1e-5).rsqrt()
        normalised = (x - x.mean(0)) * rstd
        grad = grad_output - grad_output.mean(0) - normalised * (grad_output * normalised).mean(0)
        return grad * rstd, None, None


@given(lambda: (normal(2, 4, 3), normal(2, 5, 3), normal(2, 5, 3, seed=1)))
class Attention(Function):
    @staticmethod
    def forward(ctx, q, k, v):
        p = torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]), -1)
        ctx.save_for_backward(q, k, v, p)
        return p @ v

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_output):
        q, k, v, p = ctx.saved_tensors
        grad_p = grad_output @ v.transpose(-1, -2)
        grad_s = p * (grad_p - (grad_p * p).sum(-1, keepdim=True)) / math.sqrt(q.shape[-1])
        return grad_s @ k, grad_s.transpose(-1, -2) @ q, p.transpose(-1, -2) @ grad_output


# ---------------------------------------------------------------- linear maps


@given(lambda: (normal(4, 3), normal(2, 3), normal(2)))
class LinearWithBias(Function):
    @staticmethod
    def forward(ctx, x, weight, bias=None):
        ctx.save_for_backward(x, weight)
        y = x @ weight.t()
        return y if bias is None else y + bias

    @staticmethod
    def backward(ctx, grad_output):
        x, weight = ctx.saved_tensors
        grad_x = grad_weight = grad_bias = None
        if ctx.needs_input_grad[0]:
            grad_x = grad_output @ weight
        if ctx.needs_input_grad[1]:
            grad_weight = grad_output.t() @ x
        if ctx.needs_input_grad[2]:
            grad_bias = grad_output.sum(0)
        return grad_x, grad_weight, grad_bias


@given(lambda: (normal(4, 3), normal(2, 3), None))
class LinearWithoutBias(LinearWithBias):
    pass


@given(lambda: (normal(2, 3, 4), normal(4, 5)))
class BroadcastMatmul(Function):
    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return a @ b

    @staticmethod
    def backward(ctx, grad_output):
        a, b = ctx.saved_tensors
        return grad_output @ b.t(), torch.einsum("bij,bik->jk", a, grad_output)


@given(lambda: (normal(4, 3), normal(3)))
class BroadcastAdd(Function):
    @staticmethod
    def forward(ctx, a, b):
        ctx.shapes = a.shape, b.shape
        return a + b

    @staticmethod
    def backward(ctx, grad_output):
        first, second = ctx.shapes
        return grad_output.sum_to_size(first), grad_output.sum_to_size(second)


@given(lambda: (normal(4, 3), normal(2, 3, 5), normal(4, 5)))
class Bilinear(Function):
    @staticmethod
    def forward(ctx, x, weight, y):
        ctx.save_for_backward(x, weight, y)
        return torch.einsum("bi,oij,bj->bo", x, weight, y)

    @staticmethod
    def backward(ctx, grad_output):
        x, weight, y = ctx.saved_tensors
        return (
            torch.einsum("bo,oij,bj->bi", grad_output, weight, y),
            torch.einsum("bo,bi,bj->oij", grad_output, x, y),
            torch.einsum("bo,oij,bi->bj", grad_output, weight, x),
        )


@given(lambda: (normal(2, 3, 5, 5), normal(4, 3, 3, 3), 1))
class UnfoldConvolution(Function):
    @staticmethod
    def forward(ctx, x, weight, padding):
        columns = functional.unfold(x, weight.shape[-2:], padding=padding)
        ctx.save_for_backward(x, weight)
        ctx.padding = padding
        y = weight.flatten(1) @ columns
        side = x.shape[-1] + 2 * padding - weight.shape[-1] + 1
        return y.reshape(x.shape[0], weight.shape[0], -1, side)

    @staticmethod
    def backward(ctx, grad_output):
        x, weight = ctx.saved_tensors
        kernel = weight.shape[-2:]
        g = grad_output.flatten(2)
        columns = functional.unfold(x, kernel, padding=ctx.padding)
        grad_weight = (g @ columns.transpose(1, 2)).sum(0).reshape(weight.shape)
        grad_x = functional.fold(weight.flatten(1).t() @ g, x.shape[-2:], kernel, padding=ctx.padding)
        return grad_x, grad_weight, None


@given(lambda: (normal(3, 8), uniform(5)))
class FourierFilter(Function):
    """A product of a real filter with the spectrum is symmetric in `x`."""

    @staticmethod
    def forward(ctx, x, response):
        ctx.save_for_backward(x, response)
        return torch.fft.irfft(torch.fft.rfft(x) * response, n=x.shape[-1])

    @staticmethod
    def backward(ctx, grad_output):
        x, response = ctx.saved_tensors
        n = x.shape[-1]
        spectrum = torch.fft.rfft(grad_output)
        twice = torch.full_like(response, 2.0)
        twice[0] = 1.0
        if n % 2 == 0:
            twice[-1] = 1.0
        grad_response = (spectrum * torch.fft.rfft(x).conj()).real * twice / n
        return torch.fft.irfft(spectrum * response, n=n), grad_response.sum_to_size(response.shape)


@given(lambda: (normal(4, 4) + 4 * torch.eye(4),))
class Inverse(Function):
    @staticmethod
    def forward(ctx, a):
        inverse = torch.linalg.inv(a)
        ctx.save_for_backward(inverse)
        return inverse

    @staticmethod
    def backward(ctx, grad_output):
        (inverse,) = ctx.saved_tensors
        return -inverse.mT @ grad_output @ inverse.mT


# ---------------------------------------------------------------- indices, segments, shapes


@given(lambda: (normal(6, 3), torch.tensor([0, 2, 1, 0, 2, 2]), 4))
class ScatterAdd(Function):
    @staticmethod
    def forward(ctx, x, index, count):
        ctx.save_for_backward(index)
        return x.new_zeros(count, x.shape[1]).index_add(0, index, x)

    @staticmethod
    def backward(ctx, grad_output):
        (index,) = ctx.saved_tensors
        return grad_output.index_select(0, index), None, None


@given(lambda: (normal(6, 3), torch.tensor([0, 2, 1, 0, 2, 2]), 4))
class SegmentMean(Function):
    @staticmethod
    def forward(ctx, x, index, count):
        sizes = torch.bincount(index, minlength=count).clamp_min(1).to(x.dtype).unsqueeze(-1)
        ctx.save_for_backward(index, sizes)
        return x.new_zeros(count, x.shape[1]).index_add(0, index, x) / sizes

    @staticmethod
    def backward(ctx, grad_output):
        index, sizes = ctx.saved_tensors
        return (grad_output / sizes).index_select(0, index), None, None


@given(lambda: (normal(4, 5), torch.tensor([[0, 1], [4, 4], [2, 0], [3, 3]])))
class Gather(Function):
    @staticmethod
    def forward(ctx, x, index):
        ctx.save_for_backward(index)
        ctx.shape = x.shape
        return x.gather(1, index)

    @staticmethod
    def backward(ctx, grad_output):
        (index,) = ctx.saved_tensors
        return grad_output.new_zeros(ctx.shape).scatter_add(1, index, grad_output), None


@given(lambda: (torch.tensor([1, 3, 3, 0]), normal(5, 2)))
class Embedding(Function):
    @staticmethod
    def forward(ctx, index, table):
        ctx.save_for_backward(index)
        ctx.rows = table.shape[0]
        return table[index]

    @staticmethod
    def backward(ctx, grad_output):
        (index,) = ctx.saved_tensors
        empty = grad_output.new_zeros(ctx.rows, grad_output.shape[-1])
        return None, empty.index_add(0, index.reshape(-1), grad_output.reshape(-1, grad_output.shape[-1]))


@given(lambda: (1, normal(2, 3), normal(2, 1), normal(2, 4)))
class Concatenate(Function):
    @staticmethod
    def forward(ctx, dim, *parts):
        ctx.dim, ctx.sizes = dim, [part.shape[dim] for part in parts]
        return torch.cat(parts, dim)

    @staticmethod
    def backward(ctx, grad_output):
        return None, *grad_output.split(ctx.sizes, ctx.dim)


@given(lambda: (normal(2, 3, 4), (2, 0, 1)))
class Permute(Function):
    @staticmethod
    def forward(ctx, x, order):
        ctx.back = [order.index(place) for place in range(len(order))]
        return x.permute(order).clone()

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output.permute(ctx.back), None


@given(lambda: (normal(2, 8),))
class MaxPool(Function):
    """The largest of every two neighbours."""

    @staticmethod
    def forward(ctx, x):
        values, places = x.unflatten(-1, (-1, 2)).max(-1)
        ctx.save_for_backward(places)
        return values

    @staticmethod
    def backward(ctx, grad_output):
        (places,) = ctx.saved_tensors
        pairs = grad_output.new_zeros(*grad_output.shape, 2)
        return pairs.scatter(-1, places.unsqueeze(-1), grad_output.unsqueeze(-1)).flatten(-2)


@given(lambda: (normal(3, 6), 2))
class Largest(Function):
    """Values and their places; the places have no gradient."""

    @staticmethod
    def forward(ctx, x, k):
        values, places = x.topk(k, -1)
        ctx.save_for_backward(places)
        ctx.mark_non_differentiable(places)
        ctx.shape = x.shape
        return values, places

    @staticmethod
    def backward(ctx, grad_values, _grad_places):
        (places,) = ctx.saved_tensors
        return grad_values.new_zeros(ctx.shape).scatter(-1, places, grad_values), None


# ---------------------------------------------------------------- losses


@given(lambda: (normal(4, 3), normal(4, 3, seed=1)))
class MeanSquare(Function):
    @staticmethod
    def forward(ctx, prediction, target):
        ctx.save_for_backward(prediction, target)
        return (prediction - target).square().mean()

    @staticmethod
    def backward(ctx, grad_output):
        prediction, target = ctx.saved_tensors
        grad = grad_output * 2 * (prediction - target) / prediction.numel()
        return grad, -grad


@given(lambda: (normal(4, 5), torch.tensor([0, 3, 1, 4])))
class CrossEntropy(Function):
    @staticmethod
    def forward(ctx, scores, target):
        ctx.save_for_backward(scores, target)
        return functional.cross_entropy(scores, target, reduction="none")

    @staticmethod
    def backward(ctx, grad_output):
        scores, target = ctx.saved_tensors
        right = functional.one_hot(target, scores.shape[-1]).to(scores.dtype)
        return (torch.softmax(scores, -1) - right) * grad_output.unsqueeze(-1), None


# ---------------------------------------------------------------- NumPy


@given(lambda: (uniform(3, 4),))
class NumpyCumsum(Function):
    @staticmethod
    def forward(ctx, x):
        return torch.from_numpy(np.cumsum(x.detach().cpu().numpy(), axis=-1)).to(x.device)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_output):
        g = grad_output.detach().cpu().numpy()[..., ::-1]
        return torch.from_numpy(np.cumsum(g, axis=-1)[..., ::-1].copy()).to(grad_output.device)


@given(lambda: (normal(4, 3),))
class NumpySine(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.as_tensor(np.sin(x.detach().cpu().numpy()), device=x.device)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return grad_output * torch.as_tensor(np.cos(x.detach().cpu().numpy()), device=x.device)


# ---------------------------------------------------------------- random, deliberate


@given(lambda: (normal(6, 5), 0.4))
class Dropout(Function):
    @staticmethod
    def forward(ctx, x, p):
        mask = (torch.rand_like(x) > p) / (1 - p)
        ctx.save_for_backward(mask)
        return x * mask

    @staticmethod
    def backward(ctx, grad_output):
        (mask,) = ctx.saved_tensors
        return grad_output * mask, None


@given(lambda: (3 * normal(4, 3),))
class DeclaredRound(Function):  # gradscope: approximate[straight-through]
    @staticmethod
    def forward(ctx, x):
        return x.round()

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output


@given(lambda: (normal(4, 3), 0.5))
class DeclaredReversal(Function):
    @staticmethod
    def forward(ctx, x, strength):
        ctx.strength = strength
        return x.view_as(x)

    # gradscope: approximate[reversal]
    @staticmethod
    def backward(ctx, grad_output):
        return -ctx.strength * grad_output, None


@given(lambda: (normal(4, 3), 0.5))
class Reversal(Function):
    @staticmethod
    def forward(ctx, x, strength):
        ctx.strength = strength
        return x.view_as(x)

    @staticmethod
    def backward(ctx, grad_output):
        return -ctx.strength * grad_output, None


@given(lambda: (2 * normal(4, 3),))
class SignWithWindow(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.sign()

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return grad_output * (x.abs() <= 1)


@given(lambda: (normal(4, 3), 0.25))
class FakeQuantise(Function):
    @staticmethod
    def forward(ctx, x, scale):
        return torch.round(x / scale) * scale

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output, None


@given(lambda: (normal(4, 3),))
# gradscope: approximate[clipping]
class ClippedGradient(Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output.clamp(-0.1, 0.1)


# ---------------------------------------------------------------- in place, several outputs


@given(lambda: (normal(4, 3),))
class InplaceRelu(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.mark_dirty(x)
        x.clamp_min_(0)
        ctx.save_for_backward(x)
        return x

    @staticmethod
    def backward(ctx, grad_output):
        (y,) = ctx.saved_tensors
        return grad_output * (y > 0)


@given(lambda: (normal(4, 3), normal(4, 3, seed=1), 0.5))
class InplaceAdd(Function):
    @staticmethod
    def forward(ctx, x, y, alpha):
        ctx.alpha = alpha
        ctx.mark_dirty(x)
        return x.add_(y, alpha=alpha)

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output, ctx.alpha * grad_output, None


@given(lambda: (normal(4, 6),))
class MeanAndSpread(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.mean(-1), x.var(-1, unbiased=False)

    @staticmethod
    def backward(ctx, grad_mean, grad_spread):
        (x,) = ctx.saved_tensors
        n = x.shape[-1]
        centred = x - x.mean(-1, keepdim=True)
        return (grad_mean.unsqueeze(-1) + 2 * grad_spread.unsqueeze(-1) * centred) / n


@given(lambda: (normal(5), normal(5, seed=1)))
class SumAndProduct(Function):
    """Gradients that do not arrive stay None."""

    @staticmethod
    def forward(ctx, a, b):
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(a, b)
        return a + b, a * b

    @staticmethod
    def backward(ctx, grad_sum, grad_product):
        a, b = ctx.saved_tensors
        grad_a = grad_b = None
        if grad_sum is not None:
            grad_a = grad_b = grad_sum
        if grad_product is not None:
            grad_a = grad_product * b if grad_a is None else grad_a + grad_product * b
            grad_b = grad_product * a if grad_b is None else grad_b + grad_product * a
        return grad_a, grad_b


@given(lambda: (normal(4, 3), normal(3, 3)))
class Recomputed(Function):
    """Runs its forward again in backward, on detached inputs."""

    @staticmethod
    def forward(ctx, x, weight):
        ctx.save_for_backward(x, weight)
        return torch.tanh(x @ weight)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_output):
        inputs = [t.detach().requires_grad_() for t in ctx.saved_tensors]
        with torch.enable_grad():
            y = torch.tanh(inputs[0] @ inputs[1])
        return torch.autograd.grad(y, inputs, grad_output)


# ---------------------------------------------------------------- as found in published packages


@given(lambda: (normal(2, 3, 6), uniform(6)))
class NormInFloat32(Function):
    """Computes in float32 whatever it is given."""

    @staticmethod
    def forward(ctx, x, weight):
        ctx.save_for_backward(x, weight)
        wide = x.float()
        return (wide * (wide.square().mean(-1, keepdim=True) + 1e-6).rsqrt()).type_as(x) * weight

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_output):
        x, weight = ctx.saved_tensors
        wide = x.float()
        r = (wide.square().mean(-1, keepdim=True) + 1e-6).rsqrt()
        g = (grad_output * weight).float()
        grad_x = r * g - wide * r**3 * (g * wide).mean(-1, keepdim=True)
        return grad_x.type_as(x), (grad_output * (wide * r).type_as(x)).flatten(0, -2).sum(0)


@given(lambda: (normal(4, 3), normal(3, 2)))
class AutocastMatmul(Function):
    @staticmethod
    @torch.amp.custom_fwd(device_type="cuda")
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return a @ b

    @staticmethod
    @torch.amp.custom_bwd(device_type="cuda")
    def backward(ctx, grad_output):
        a, b = ctx.saved_tensors
        return grad_output @ b.t(), a.t() @ grad_output


@given(lambda: (normal(4, 3),))
class ContiguousRelu(Function):
    """What a kernel needs: everything contiguous, and a gradient of its own to write into."""

    @staticmethod
    def forward(ctx, x):
        y = x.contiguous().clamp_min(0)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, grad_output):
        (y,) = ctx.saved_tensors
        grad = grad_output.contiguous().clone()
        grad[y <= 0] = 0
        return grad


@given(lambda: (normal(4, 3),))
class ValueAndCount(Function):
    """A tensor, a number and None."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.square(), x.numel(), None

    @staticmethod
    def backward(ctx, grad_output, _count, _none):
        (x,) = ctx.saved_tensors
        return 2 * x * grad_output


@given(lambda: (normal(5, 4), normal(4)))
class ScoresAndMask(Function):
    """A second output in floating point that has no gradient."""

    @staticmethod
    def forward(ctx, x, weight):
        scores = x @ weight
        mask = (scores > 0).to(x.dtype)
        ctx.mark_non_differentiable(mask)
        ctx.save_for_backward(x, weight)
        return scores, mask

    @staticmethod
    def backward(ctx, grad_scores, _grad_mask):
        x, weight = ctx.saved_tensors
        return grad_scores.unsqueeze(-1) * weight, grad_scores @ x


@given(lambda: (torch.tensor([1, 3, 3, 0]), normal(5, 2)))
class SparseEmbedding(Function):
    @staticmethod
    def forward(ctx, index, table):
        ctx.save_for_backward(index)
        ctx.shape = table.shape
        return table[index]

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_output):
        (index,) = ctx.saved_tensors
        return None, torch.sparse_coo_tensor(
            index.unsqueeze(0), grad_output.contiguous(), ctx.shape, check_invariants=False
        )


@given(lambda: (normal(4, 4) + 5 * torch.eye(4), normal(4, 2)))
class Solve(Function):
    @staticmethod
    def forward(ctx, a, b):
        x = torch.linalg.solve(a, b)
        ctx.save_for_backward(a, x)
        return x

    @staticmethod
    def backward(ctx, grad_output):
        a, x = ctx.saved_tensors
        grad_b = torch.linalg.solve(a.mT, grad_output)
        return -grad_b @ x.mT, grad_b


@given(lambda: (normal(3, 4), normal(3, 4, seed=1), torch.tensor([1, -1, 1]), 0.3))
class MarginRanking(Function):
    @staticmethod
    def forward(ctx, first, second, sign, margin):
        loss = (margin - sign.unsqueeze(-1) * (first - second)).clamp_min(0)
        ctx.save_for_backward(loss > 0, sign)
        ctx.first = first.shape
        return loss.sum()

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_output):
        active, sign = ctx.saved_tensors
        grad = -grad_output * sign.unsqueeze(-1) * active
        return grad, -grad, None, None


# ---------------------------------------------------------------- forward mode, vmap


@given(lambda: (normal(4, 3),))
class Cube(Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x):
        return x**3

    @staticmethod
    def setup_context(ctx, inputs, output):
        (x,) = inputs
        ctx.save_for_backward(x)
        ctx.save_for_forward(x)

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return grad_output * 3 * x**2

    @staticmethod
    def jvp(ctx, tangent):
        (x,) = ctx.saved_tensors
        return tangent * 3 * x**2


@given(lambda: (normal(4, 3), normal(4, 3, seed=1)))
class ProductWithRules(Function):
    @staticmethod
    def forward(a, b):
        return a * b

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx, grad_output):
        a, b = ctx.saved_tensors
        return grad_output * b, grad_output * a

    @staticmethod
    def jvp(ctx, tangent_a, tangent_b):
        a, b = ctx.saved_tensors
        return tangent_a * b + a * tangent_b

    @staticmethod
    def vmap(info, in_dims, a, b):
        a, b = (
            t.expand(info.batch_size, *t.shape) if dim is None else t.movedim(dim, 0)
            for t, dim in zip((a, b), in_dims, strict=True)
        )
        return ProductWithRules.apply(a, b), 0


@given(lambda: (normal(3, 5),))
class RowSoftmax(Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x):
        return torch.softmax(x, -1)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx, grad_output):
        (y,) = ctx.saved_tensors
        return y * (grad_output - (grad_output * y).sum(-1, keepdim=True))


# ---------------------------------------------------------------- no Function


@given(lambda: (uniform(4, 3), 2.0))
def power_mean(x, p):
    return x.pow(p).mean(-1).pow(1 / p)


@given(lambda: (normal(4, 3), {"weight": normal(3, 2), "bias": normal(2)}))
def affine(x, parameters):
    return {"y": x @ parameters["weight"] + parameters["bias"]}
