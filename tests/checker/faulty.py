"""Functions whose backward is wrong, each in one way, and the rule that must find it.

Each has its arguments in `gradscope_inputs`, so that `gradscope check` takes the file as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

gradscope_inputs: dict[str, Callable[[], tuple[Any, ...]]] = {}
RULES: dict[str, str] = {}


def wrong(code: str, make: Callable[[], tuple[Any, ...]]) -> Callable[[Any], Any]:
    """Says which rule must find the function below, and with which arguments it is called."""

    def note(function: Any) -> Any:
        gradscope_inputs[function.__name__] = make
        RULES[function.__name__] = code
        return function

    return note


def normal(*shape: int, seed: int = 0) -> Tensor:
    """Normal values that are the same in every call."""
    generator = torch.Generator().manual_seed(11 + seed + sum(shape))
    return torch.randn(shape, generator=generator)


def uniform(*shape: int) -> Tensor:
    """Values in [0.1, 1)."""
    generator = torch.Generator().manual_seed(11 + sum(shape))
    return 0.1 + 0.9 * torch.rand(shape, generator=generator)


# ---------------------------------------------------------------- GS601: formulas


@wrong("GS601", lambda: (normal(4, 3),))
class SquareWithoutFactor(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return grad_output * x


@wrong("GS601", lambda: (normal(5),))
class CosineWithoutSign(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.cos()

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return grad_output * x.sin()


@wrong("GS601", lambda: (normal(3, 3), normal(3, 3, seed=1)))
class MatmulWithoutTranspose(Function):
    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return a @ b

    @staticmethod
    def backward(ctx, grad_output):
        a, b = ctx.saved_tensors
        return grad_output @ b, a.t() @ grad_output


@wrong("GS601", lambda: (normal(4, 3),))
class SumIgnoringGradOutput(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.square().sum()

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return 2 * x


@wrong("GS601", lambda: (normal(4, 5),))
class SoftmaxWithoutSum(Function):
    @staticmethod
    def forward(ctx, x):
        y = torch.softmax(x, -1)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, grad_output):
        (y,) = ctx.saved_tensors
        return grad_output * y * (1 - y)


@wrong("GS601", lambda: (normal(4, 3), normal(4, 3, seed=1)))
class SwappedProduct(Function):
    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return a * b

    @staticmethod
    def backward(ctx, grad_output):
        a, b = ctx.saved_tensors
        return grad_output * a, grad_output * b


@wrong("GS601", lambda: (normal(4, 3), normal(4, 3, seed=1)))
class ForgottenInput(Function):
    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return a * b

    @staticmethod
    def backward(ctx, grad_output):
        _, b = ctx.saved_tensors
        return grad_output * b, None


@wrong("GS601", lambda: (normal(4, 6),))
class SpreadAsOfTheSample(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.var(-1, unbiased=False)

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return grad_output.unsqueeze(-1) * 2 * (x - x.mean(-1, keepdim=True)) / (x.shape[-1] - 1)


@wrong("GS601", lambda: (3 * normal(8), 0.5))
class HuberWithoutDelta(Function):
    @staticmethod
    def forward(ctx, x, delta):
        ctx.save_for_backward(x)
        ctx.delta = delta
        return torch.where(x.abs() <= delta, 0.5 * x * x, delta * (x.abs() - 0.5 * delta))

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return grad_output * torch.where(x.abs() <= ctx.delta, x, x.sign()), None


@wrong("GS601", lambda: (normal(6, 3), torch.tensor([0, 2, 1, 0, 2, 2]), 3))
class SegmentSumAsMean(Function):
    @staticmethod
    def forward(ctx, x, index, count):
        ctx.save_for_backward(index, torch.bincount(index, minlength=count))
        return x.new_zeros(count, x.shape[1]).index_add(0, index, x)

    @staticmethod
    def backward(ctx, grad_output):
        index, sizes = ctx.saved_tensors
        return (grad_output / sizes.unsqueeze(-1))[index], None, None


@wrong("GS601", lambda: (normal(3, 5),))
class CumsumForward(Function):
    @staticmethod
    def forward(ctx, x):
        return x.cumsum(-1)

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output.cumsum(-1)


@wrong("GS601", lambda: (torch.tensor([1, 3, 3, 0]), normal(5, 2)))
class EmbeddingThatOverwrites(Function):
    """A row that is looked up twice gets only one of its gradients."""

    @staticmethod
    def forward(ctx, index, table):
        ctx.save_for_backward(index)
        ctx.rows = table.shape[0]
        return table[index]

    @staticmethod
    def backward(ctx, grad_output):
        (index,) = ctx.saved_tensors
        grad = grad_output.new_zeros(ctx.rows, grad_output.shape[-1])
        grad[index] = grad_output
        return None, grad


@wrong("GS601", lambda: (torch.complex(normal(4), normal(4, seed=1)),))
class ComplexSquareWithoutConjugate(Function):
    @staticmethod
    def forward(ctx, z):
        ctx.save_for_backward(z)
        return z * z

    @staticmethod
    def backward(ctx, grad_output):
        (z,) = ctx.saved_tensors
        return 2 * grad_output * z


@wrong("GS601", lambda: (normal(4, 3),))
class SlightlyWrongTanh(Function):
    @staticmethod
    def forward(ctx, x):
        y = x.tanh()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, grad_output):
        (y,) = ctx.saved_tensors
        return grad_output * (1 - 0.99 * y * y)


# ---------------------------------------------------------------- GS601: in some forms of use


@wrong("GS601", lambda: (normal(4, 3),))
class MemoryOrderOfInput(Function):
    """Reads the memory of its input as if it were contiguous."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.square()

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        memory = x.as_strided(x.shape, torch.empty(x.shape).stride())
        return 2 * grad_output * memory


@wrong("GS601", lambda: (normal(4, 3),))
class MemoryOrderOfGradOutput(Function):
    """Reads the memory of grad_output as if it were contiguous."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.square()

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        flat = np.ravel(grad_output.numpy(), order="K")
        return 2 * x * torch.from_numpy(flat.copy()).reshape(x.shape)


@wrong("GS601", lambda: (normal(4, 3),))
class WritesIntoGradOutput(Function):
    """After sum().backward() every element of grad_output is one number in memory."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x > 0)
        return x.relu()

    @staticmethod
    def backward(ctx, grad_output):
        (positive,) = ctx.saved_tensors
        grad_output[~positive] = 0
        return grad_output


@wrong("GS601", lambda: (normal(4, 3),))
class WrongForwardMode(Function):
    @staticmethod
    def forward(x):
        return x.square()

    @staticmethod
    def setup_context(ctx, inputs, output):
        (x,) = inputs
        ctx.save_for_backward(x)
        ctx.save_for_forward(x)

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return 2 * grad_output * x

    @staticmethod
    def jvp(ctx, tangent):
        (x,) = ctx.saved_tensors
        return tangent * x


@wrong("GS601", lambda: (normal(4, 3),))
class WrongVmap(Function):
    """Its vmap rule takes the maximum over all samples."""

    @staticmethod
    def forward(x):
        return x - x.amax(-1, keepdim=True)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        largest = (x == x.amax(-1, keepdim=True)).to(x.dtype)
        return grad_output - largest * grad_output.sum(-1, keepdim=True)

    @staticmethod
    def vmap(info, in_dims, x):
        return WrongVmap.apply(x.movedim(in_dims[0], -1)), x.dim() - 1


# ---------------------------------------------------------------- GS602: what backward returns


@wrong("GS602", lambda: (normal(4, 3), 2.0))
class TooFew(Function):
    @staticmethod
    def forward(ctx, x, factor):
        ctx.factor = factor
        return x * factor

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output * ctx.factor


@wrong("GS602", lambda: (normal(4, 3), normal(4, 3, seed=1)))
class TooMany(Function):
    @staticmethod
    def forward(ctx, a, b):
        return a + b

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output, grad_output, grad_output


@wrong("GS602", lambda: (normal(4, 3), normal(2, 3)))
class WeightGradientTransposed(Function):
    @staticmethod
    def forward(ctx, x, weight):
        ctx.save_for_backward(x, weight)
        return x @ weight.t()

    @staticmethod
    def backward(ctx, grad_output):
        x, weight = ctx.saved_tensors
        return grad_output @ weight, x.t() @ grad_output


@wrong("GS602", lambda: (normal(4, 3),))
class ReturnsANumber(Function):
    @staticmethod
    def forward(ctx, x):
        return x + 1

    @staticmethod
    def backward(ctx, grad_output):
        return 1.0


@wrong("GS602", lambda: (normal(4, 3),))
class ViewsGradOutput(Function):
    """`view` refuses a grad_output that is not contiguous, or expanded as sum() gives it."""

    @staticmethod
    def forward(ctx, x):
        ctx.shape = x.shape
        return x * 2

    @staticmethod
    def backward(ctx, grad_output):
        return (2 * grad_output.view(-1)).view(ctx.shape)


# ---------------------------------------------------------------- GS603: second derivatives


@wrong("GS603", lambda: (uniform(4, 3),))
class DetachedBackward(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return grad_output * 3 * x.detach() ** 2


@wrong("GS603", lambda: (normal(4, 6),))
class NormSavingAnIntermediate(Function):
    """The inverse norm is saved as a constant: its own derivative is lost."""

    @staticmethod
    def forward(ctx, x):
        inverse = x.square().sum(-1, keepdim=True).rsqrt()
        ctx.save_for_backward(x, inverse)
        return x * inverse

    @staticmethod
    def backward(ctx, grad_output):
        x, inverse = ctx.saved_tensors
        along = (grad_output * x).sum(-1, keepdim=True)
        return inverse * grad_output - inverse**3 * x * along


@wrong("GS603", lambda: (normal(4, 3),))
class NumpyBackward(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.sin()

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return torch.from_numpy(np.cos(x.detach().numpy()) * grad_output.detach().numpy())


# ---------------------------------------------------------------- GS604: determinism


@wrong("GS604", lambda: (normal(6, 5), 0.3))
class DropoutWithAnotherMask(Function):
    """Unbiased, and another gradient in every backward."""

    @staticmethod
    def forward(ctx, x, p):
        ctx.p = p
        return x * 1.0

    @staticmethod
    def backward(ctx, grad_output):
        mask = (torch.rand_like(grad_output) > ctx.p) / (1 - ctx.p)
        return grad_output * mask, None


@wrong("GS604", lambda: (normal(6, 5), 0.01))
class NoisyBackward(Function):
    @staticmethod
    def forward(ctx, x, noise):
        ctx.save_for_backward(x)
        ctx.noise = noise
        return x.square()

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return 2 * x * grad_output + ctx.noise * torch.randn_like(x), None


# ---------------------------------------------------------------- GS605: tensors on ctx


@wrong("GS605", lambda: (normal(4, 3),))
class InputOnCtx(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.x = x
        return x.square()

    @staticmethod
    def backward(ctx, grad_output):
        return 2 * ctx.x * grad_output


@wrong("GS605", lambda: (normal(4, 3),))
class OutputOnCtx(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.y = x.sigmoid()
        return ctx.y

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output * ctx.y * (1 - ctx.y)


# ---------------------------------------------------------------- GS606: changes in place


@wrong("GS606", lambda: (normal(4, 3), 0.1))
class UnmarkedLeakyRelu(Function):
    @staticmethod
    def forward(ctx, x, slope):
        ctx.save_for_backward(x > 0)
        ctx.slope = slope
        x[x < 0] *= slope
        return x

    @staticmethod
    def backward(ctx, grad_output):
        (positive,) = ctx.saved_tensors
        return torch.where(positive, grad_output, ctx.slope * grad_output), None


@wrong("GS606", lambda: (normal(4, 3),))
class DataAddedTo(Function):
    @staticmethod
    def forward(ctx, x):
        x.data.add_(1.0)
        return x * 2

    @staticmethod
    def backward(ctx, grad_output):
        return 2 * grad_output
