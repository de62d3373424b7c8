"""Functions and custom ops in the styles that programs write them in; each is right unless it says so."""

import functools

import torch
from torch import Tensor, nn
from torch.amp import custom_bwd, custom_fwd
from torch.autograd import Function
from torch.autograd.function import once_differentiable


class Cube(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return grad_output * 3 * x**2


class Affine(Function):
    """forward without ctx, and a setup_context."""

    @staticmethod
    def forward(x, weight, bias=None, activation="none"):
        out = x @ weight.t()
        if bias is not None:
            out = out + bias
        return out.relu() if activation == "relu" else out

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, weight, bias, activation = inputs
        ctx.activation, ctx.has_bias = activation, bias is not None
        ctx.save_for_backward(x, weight, output)

    @staticmethod
    def backward(ctx, grad_output):
        x, weight, output = ctx.saved_tensors
        if ctx.activation == "relu":
            grad_output = grad_output * (output > 0)
        grad_bias = grad_output.sum(0) if ctx.has_bias else None
        return grad_output @ weight, grad_output.t() @ x, grad_bias, None


class Layer(nn.Module):
    class Scale(Function):
        @staticmethod
        def forward(ctx, x, factor: float):
            ctx.factor = factor
            return x * factor

        @staticmethod
        def backward(ctx, grad_output):
            return grad_output * ctx.factor, None

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))

    def forward(self, x):
        return self.Scale.apply(x * self.weight, 2.0)


class Autocast(Function):
    @staticmethod
    @custom_fwd(device_type="cpu", cast_inputs=torch.float32)
    def forward(ctx, x, y):
        ctx.save_for_backward(x, y)
        return x * y

    @staticmethod
    @custom_bwd(device_type="cpu")
    @once_differentiable
    def backward(ctx, grad_output):
        x, y = ctx.saved_tensors
        return grad_output * y, grad_output * x


class Once(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.sin()

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return grad_output * x.cos()


def logged(method):
    def wrapper(*args):
        return method(*args)

    return wrapper


def wrapped(method):
    @functools.wraps(method)
    def wrapper(*args, **kwargs):
        return method(*args, **kwargs)

    return wrapper


class Decorated(Function):
    @staticmethod
    @logged
    def forward(ctx, x, y):
        ctx.save_for_backward(x, y)
        return x * y

    @staticmethod
    @wrapped
    def backward(ctx, grad_output):
        x, y = ctx.saved_tensors
        return grad_output * y, grad_output * x


class Total(Function):
    @staticmethod
    def forward(ctx, *tensors):
        ctx.count = len(tensors)
        return sum(tensors)

    @staticmethod
    def backward(ctx, grad_output):
        return (grad_output,) * ctx.count


class Base(Function):
    @staticmethod
    def forward(ctx, x):
        raise NotImplementedError

    @staticmethod
    def backward(ctx, grad_output):
        raise NotImplementedError


class OnlyBackward(Function):
    @staticmethod
    def backward(ctx, grad_output):
        return grad_output * 2


class Doubled(OnlyBackward):
    @staticmethod
    def forward(ctx, x):
        return x * 2


class Histogram(Function):
    """Is never differentiated."""

    @staticmethod
    def forward(ctx, x):
        return torch.histc(x)


# gradscope: approximate[straight-through]
class Rounded(Function):
    @staticmethod
    def forward(ctx, x):
        return x.round()

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output


class Reversed(Function):
    @staticmethod
    def forward(ctx, x, alpha):
        ctx.alpha = alpha
        return x.view_as(x)

    @staticmethod
    def backward(ctx, grad_output):  # gradscope: approximate[reversal]
        return -ctx.alpha * grad_output, None


class Clipped(Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    # gradscope: approximate[clipping]
    @staticmethod
    @wrapped
    def backward(
        ctx,
        grad_output,
    ):
        return grad_output.clamp(-1, 1) * 2


class Mistyped(Function):
    @staticmethod
    def forward(ctx, x):
        return x.sign()

    # gradscope: approximates(straight-through)
    @staticmethod
    def backward(ctx, grad_output):
        return grad_output


def make(power):
    class Power(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**power

        @staticmethod
        def backward(ctx, grad_output):
            (x,) = ctx.saved_tensors
            return grad_output * power * x ** (power - 1)

    return Power.apply


square = make(2)
cube = Cube.apply


@torch.library.custom_op("styles_of_the_tests::sine", mutates_args=())
def sine(x: Tensor, scale: float = 1.0) -> Tensor:
    return torch.sin(x) * scale


@sine.register_fake
def _(x, scale=1.0):
    return torch.empty_like(x)


def sine_setup(ctx, inputs, output):
    ctx.x, ctx.scale = inputs


@once_differentiable
def sine_backward(ctx, grad):
    return grad * ctx.x.cos() * ctx.scale, None


sine.register_autograd(sine_backward, setup_context=sine_setup)


@torch.library.custom_op("styles_of_the_tests::forward_only", mutates_args=())
def forward_only(x: Tensor) -> Tensor:
    return x.clone()


torch.library.define("styles_of_the_tests::doubled", "(Tensor x) -> Tensor")


@torch.library.impl("styles_of_the_tests::doubled", "default")
def doubled_op(x):
    return x * 2


def doubled_backward(ctx, grad):
    return grad * 2


torch.library.register_autograd("styles_of_the_tests::doubled", doubled_backward)


def plain(x, y):
    return x * y.sigmoid()


class InPlace(Function):
    @staticmethod
    def forward(ctx, x, slope):
        out = x.data
        out[out < 0] *= slope
        rows = x[0]
        rows.mul_(1.0)
        ctx.save_for_backward(out)
        return out

    @staticmethod
    def backward(ctx, grad_output):
        (out,) = ctx.saved_tensors
        with torch.no_grad():
            scale = out.detach().sign()
        return grad_output * scale, None
