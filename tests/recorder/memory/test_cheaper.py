"""Every cheaper way that is told is tried: it keeps as much less as was said, with the same gradients."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from gradscope.facts import MemoryUse, SavedAt

from .recorded import memory_of

ROWS, WIDTH = 64, 128
Form = Callable[[Tensor, Tensor], Tensor]


def program(form: Form) -> tuple[MemoryUse, list[Tensor]]:
    """The memory of the form's graph, and the gradients of its two leaves."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(ROWS, WIDTH, generator=generator).requires_grad_()
    w = (torch.randn(WIDTH, WIDTH, generator=generator) / 12).requires_grad_()

    def run() -> None:
        form(x * 1.5, w).sum().backward()

    use = memory_of(run)
    assert x.grad is not None
    assert w.grad is not None
    return use, [x.grad, w.grad]


def advice_of(use: MemoryUse) -> list[SavedAt]:
    return [row for row in use.largest if row.cheaper]


def of(function: Callable[[Tensor], Tensor]) -> Form:
    """A form whose function takes what a product gives, and gives what a product takes."""
    return lambda x, w: function(x @ w) @ w


def layer_norm(t: Tensor) -> Tensor:
    mean = t.mean(-1, keepdim=True)
    return (t - mean) / torch.sqrt(t.var(-1, keepdim=True, unbiased=False) + 1e-5)


def layer_norm_by_squares(t: Tensor) -> Tensor:
    centred = t - t.mean(-1, keepdim=True)
    return centred / torch.sqrt(centred.pow(2).mean(-1, keepdim=True) + 1e-5)


def gelu_tanh(t: Tensor) -> Tensor:
    return 0.5 * t * (1 + torch.tanh(math.sqrt(2 / math.pi) * (t + 0.044715 * torch.pow(t, 3))))


def softmax(t: Tensor) -> Tensor:
    powers = torch.exp(t)
    return powers / powers.sum(-1, keepdim=True)


def gated(t: Tensor) -> Tensor:
    one, other = t.chunk(2, -1)
    return torch.cat([one * torch.sigmoid(other)] * 2, -1)


def attention(x: Tensor, w: Tensor, fused: bool, mask: Tensor | None = None) -> Tensor:
    q, k, v = (x @ w)[:, :96].view(2, ROWS // 2, 3, 4, 8).permute(2, 0, 3, 1, 4)
    if fused:
        values = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    else:
        scores = q @ k.transpose(-1, -2) / math.sqrt(8)
        if mask is not None:
            scores = scores.masked_fill(~mask, -math.inf)
        values = scores.softmax(-1) @ v
    return values.transpose(1, 2).reshape(ROWS, 32) @ w[:32]


CAUSAL = torch.ones(ROWS // 2, ROWS // 2, dtype=torch.bool).tril()
CLASSES = torch.arange(ROWS)

WAYS: dict[str, tuple[Form, Form]] = {
    "LeakyReLU": (of(functional.leaky_relu), of(lambda t: functional.leaky_relu(t, inplace=True))),
    "ELU": (of(functional.elu), of(lambda t: functional.elu(t, inplace=True))),
    "SELU": (of(functional.selu), of(lambda t: functional.selu(t, inplace=True))),
    "CELU": (of(functional.celu), of(lambda t: functional.celu(t, inplace=True))),
    "F.relu": (of(lambda t: t.clamp(min=0)), of(functional.relu)),
    "F.silu": (of(lambda t: t * torch.sigmoid(t)), of(functional.silu)),
    "F.mish": (of(lambda t: t * torch.tanh(functional.softplus(t))), of(functional.mish)),
    "F.gelu computes": (of(lambda t: t * 0.5 * (1 + torch.erf(t / math.sqrt(2)))), of(functional.gelu)),
    'approximate="tanh"': (of(gelu_tanh), of(lambda t: functional.gelu(t, approximate="tanh"))),
    "torch.sigmoid": (of(lambda t: 1 / (1 + torch.exp(-t))), of(torch.sigmoid)),
    "F.softplus computes": (of(lambda t: torch.log(1 + torch.exp(t))), of(functional.softplus)),
    "torch.softmax": (of(softmax), of(lambda t: torch.softmax(t, -1))),
    "F.layer_norm": (of(layer_norm), of(lambda t: functional.layer_norm(t, (WIDTH,)))),
    "F.layer_norm computes": (
        lambda x, w: (layer_norm_by_squares(x @ w) * w[0]) @ w,
        lambda x, w: functional.layer_norm(x @ w, (WIDTH,), w[0]) @ w,
    ),
    "-F.softplus": (of(functional.logsigmoid), of(lambda t: -functional.softplus(-t))),
    "F.glu(x, dim=-1)": (of(gated), of(lambda t: torch.cat([functional.glu(t)] * 2, -1))),
    "without the copy": (
        lambda x, w: (x @ w) * (x[:1] * 2).repeat(ROWS, 1),
        lambda x, w: (x @ w) * (x[:1] * 2),
    ),
    "broadcasts the same": (
        lambda x, w: (x @ w) * (x[:1] * 2).expand(ROWS, WIDTH).contiguous(),
        lambda x, w: (x @ w) * (x[:1] * 2),
    ),
    "F.scaled_dot_product_attention": (
        lambda x, w: attention(x, w, fused=False),
        lambda x, w: attention(x, w, fused=True),
    ),
    "keeping the attention weights": (
        lambda x, w: attention(x, w, fused=False, mask=CAUSAL),
        lambda x, w: attention(x, w, fused=True, mask=CAUSAL),
    ),
}


@pytest.mark.parametrize("words", WAYS)
def test_the_way_that_is_told_keeps_as_much_less(words: str) -> None:
    form, cheaper = WAYS[words]
    use, gradients = program(form)
    better, others = program(cheaper)
    (row,) = advice_of(use)
    assert row.cheaper is not None
    assert words in row.cheaper
    assert row.cheaper_by == use.saved - better.saved
    assert row.cheaper_by > 0
    for one, other in zip(gradients, others, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("words", WAYS)
def test_the_better_program_is_left_in_peace(words: str) -> None:
    use, _ = program(WAYS[words][1])
    assert not advice_of(use)


def test_the_loss_of_a_vocabulary() -> None:
    hidden = torch.randn(512, 16).requires_grad_()
    weight = torch.randn(2000, 16).requires_grad_()
    target = torch.arange(512)
    use = memory_of(lambda: functional.cross_entropy(functional.linear(hidden, weight), target).backward())
    (row,) = advice_of(use)
    assert row.cheaper is not None
    assert "F.linear_cross_entropy" in row.cheaper
    assert (row.op, row.cheaper_by) == ("LogSoftmaxBackward0", 4 * (512 * 2000 - 16 * (512 + 2000)))
    plain = [hidden.grad, weight.grad]
    hidden.grad = weight.grad = None
    options: Any = nn.LinearCrossEntropyOptions()
    run = lambda: functional.linear_cross_entropy(hidden, weight, target, options=options).backward()  # noqa: E731  one line
    assert memory_of(run).saved == 0  # the gradients that it makes in the forward become the leaves' own
    for one, other in zip(plain, [hidden.grad, weight.grad], strict=True):
        torch.testing.assert_close(one, other)


def test_float64_among_float32() -> None:
    linear = nn.Linear(WIDTH, WIDTH)
    factor = torch.full((1, WIDTH), 2.0, dtype=torch.float64)

    def run(factor: Tensor) -> None:
        (linear(torch.ones(ROWS, WIDTH)) * factor).exp().sum().backward()

    use = memory_of(lambda: run(factor))
    (row,) = advice_of(use)
    assert row.cheaper == "it is float64, the parameters are float32: float32 keeps half"
    better = memory_of(lambda: run(factor.float()))
    assert row.cheaper_by == use.saved - better.saved
    assert not advice_of(better)


def test_float64_that_was_asked_for_is_not_told() -> None:
    use, _ = program(lambda x, w: (x.double() @ w.double()).exp())
    assert not advice_of(use)


def test_the_weights_of_multihead_attention() -> None:
    layer = nn.MultiheadAttention(WIDTH, 4, batch_first=True)
    x = torch.randn(1, ROWS, WIDTH)

    def run(need_weights: bool) -> None:
        layer(x, x, x, need_weights=need_weights)[0].sum().backward()

    use = memory_of(lambda: run(need_weights=True))
    (row,) = advice_of(use)
    assert row.cheaper is not None
    assert "need_weights=False" in row.cheaper
    assert 0 < row.cheaper_by <= use.saved - memory_of(lambda: run(need_weights=False)).saved


def residual(function: Callable[[Tensor], Tensor]) -> Form:
    def form(x: Tensor, w: Tensor) -> Tensor:
        t = x @ w
        return (t + function(t)) @ w

    return form


def after_exp(function: Callable[[Tensor], Tensor]) -> Form:
    return lambda x, w: function((x @ w).exp()) @ w


SILENCES: dict[str, Form] = {
    "the input is added again": residual(functional.leaky_relu),
    "the input is another op's result": after_exp(functional.leaky_relu),
    "nothing keeps the output": lambda x, w: functional.leaky_relu(x @ w),
    "the input is a leaf": lambda x, w: x @ functional.leaky_relu(w) @ w,
    "another constant than 1": of(lambda t: 1 / (2 + torch.exp(-t))),
    "another logarithm": of(lambda t: torch.log(2 + torch.exp(t))),
    "another polynomial": of(lambda t: 0.5 * t * (1 + torch.tanh(0.5 * (t + 0.1 * torch.pow(t, 3))))),
    "another clamp": of(lambda t: t.clamp(min=0.1)),
    "a clamp on both sides": of(lambda t: t.clamp(min=0, max=1)),
    "the sigmoid of something else": lambda x, w: ((x @ w) * torch.sigmoid(x @ w @ w)) @ w,
    "a repetition that is no broadcast": lambda x, w: (x @ w) * (x[:2] * 2).repeat(ROWS // 2, 1),
    "a softmax over two dimensions": of(lambda t: (lambda e: e / e.sum((0, 1), keepdim=True))(t.exp())),
    "dropout of the weights": lambda x, w: functional.dropout((x @ w).softmax(-1), 0.1) @ w,
}


@pytest.mark.parametrize("what", SILENCES)
def test_what_would_not_be_the_same_is_not_told(what: str) -> None:
    use, _ = program(SILENCES[what])
    assert not advice_of(use)


def test_a_trifle_is_not_told() -> None:
    def run() -> None:
        x = torch.randn(ROWS, WIDTH, requires_grad=True)
        small = x[:8] * 2
        keep = torch.randn(1000, 100, requires_grad=True)
        (keep.exp().sum() + (small * torch.sigmoid(small)).sum()).backward()

    assert not advice_of(memory_of(run))
