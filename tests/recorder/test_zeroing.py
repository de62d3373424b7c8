"""What turns a gradient into zeros, and which leaves get nothing else because of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from .harness import code, recording, text


def _leaf(*values: float) -> Tensor:
    return torch.tensor(list(values), requires_grad=True)


def _dead_relu(x: Tensor) -> Tensor:
    return torch.relu(x - 10).sum()


def _round(x: Tensor) -> Tensor:
    return torch.round(x).sum()


def _sign(x: Tensor) -> Tensor:
    return (torch.sign(x) * 2).sum()


def _saturated_sigmoid(x: Tensor) -> Tensor:
    return torch.sigmoid(x + 200).sum()


def _softmax_of_one(x: Tensor) -> Tensor:
    return (torch.softmax(x[:, None], dim=-1) * 3).sum()


def _where(x: Tensor) -> Tensor:
    return torch.where(x > 100, x, torch.ones(())).sum()


def _masked_fill(x: Tensor) -> Tensor:
    return (x.masked_fill(x < 100, 0.0) * 2).sum()


def _clamp(x: Tensor) -> Tensor:
    return x.clamp(5.0, 6.0).sum()


def _layer_norm_of_one(x: Tensor) -> Tensor:
    return (F.layer_norm(x[:, None], (1,), torch.ones(1, requires_grad=True), torch.ones(1)) * 2).sum()


@pytest.mark.parametrize(
    ("loss", "node", "expression"),
    [
        (_dead_relu, "ReluBackward0", "torch.relu(x - 10)"),
        (_round, "RoundBackward0", "torch.round(x)"),
        (_sign, "SignBackward0", "torch.sign(x)"),
        (_saturated_sigmoid, "SigmoidBackward0", "torch.sigmoid(x + 200)"),
        (_softmax_of_one, "SoftmaxBackward0", "torch.softmax(x[:, None], dim=-1)"),
        (_where, "WhereBackward0", "torch.where(x > 100, x, torch.ones(()))"),
        (_masked_fill, "MaskedFillBackward0", "x.masked_fill(x < 100, 0.0)"),
        (_clamp, "ClampBackward1", "x.clamp(5.0, 6.0)"),
    ],
)
def test_op_without_a_slope(loss: Callable[[Tensor], Tensor], node: str, expression: str) -> None:
    x = _leaf(1.0, 2.0)
    with recording() as harness:
        harness.name(x=x)
        for _ in range(2):
            loss(x).backward()
    (fact,) = harness.zeroed()
    assert (fact.node, fact.leaves, fact.backwards) == (node, ("x",), 2)
    assert code(fact.location) == expression
    assert fact.factor is None


def test_layer_norm_over_one_element_although_its_bias_gets_a_gradient() -> None:
    x = _leaf(1.0, 2.0)
    norm = nn.LayerNorm(1)
    with recording() as harness:
        harness.name(x=x, norm=norm)
        (norm(x[:, None]) * torch.tensor([[1.0], [2.0]])).sum().backward()
    (fact,) = harness.zeroed()
    assert fact.node == "NativeLayerNormBackward0"
    assert fact.leaves == ("norm.weight", "x")


def test_saved_values_of_a_dead_relu() -> None:
    x = _leaf(1.0, 2.0)
    with recording() as harness:
        harness.name(x=x)
        _dead_relu(x).backward()
    (fact,) = harness.zeroed()
    (result,) = fact.saved
    assert (result.name, result.zeros, result.numel) == ("result", 2, 2)
    assert fact.op == "relu"


def test_a_leaf_with_another_way_to_the_loss_is_none() -> None:
    x = _leaf(1.0, 2.0)
    with recording() as harness:
        harness.name(x=x)
        (torch.round(x) + x).sum().backward()
    assert harness.zeroed() == ()


def test_a_leaf_is_dropped_once_it_gets_a_gradient() -> None:
    x, y = _leaf(1.0, 2.0), _leaf(1.0, 2.0)
    with recording() as harness:
        harness.name(x=x, y=y)
        for shift in (10.0, 0.0, 10.0):
            torch.relu(x + torch.round(y) - shift).sum().backward()
    assert {(fact.node, fact.leaves) for fact in harness.zeroed()} == {
        ("ReluBackward0", ("y",)),
        ("RoundBackward0", ("y",)),
    }
    with recording() as harness:
        harness.name(x=x)
        for shift in (0.0, 10.0):
            torch.relu(x - shift).sum().backward()
    assert harness.zeroed() == ()


def test_two_ways_that_are_both_zero() -> None:
    x = _leaf(1.0, 2.0)
    with recording() as harness:
        harness.name(x=x)
        rounded = torch.round(x)
        dead = torch.relu(x - 10)
        (rounded + dead).sum().backward()
    assert {(fact.node, fact.leaves) for fact in harness.zeroed()} == {
        ("RoundBackward0", ("x",)),
        ("ReluBackward0", ("x",)),
    }


def test_zeros_travel_on_to_every_leaf_behind() -> None:
    torch.manual_seed(0)
    body, head = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)), nn.Linear(2, 1)
    with recording() as harness:
        harness.name(body=body, head=head)
        for _ in range(3):
            head(torch.sign(body(torch.randn(5, 3)))).sum().backward()
    (fact,) = harness.zeroed()
    assert fact.node == "SignBackward0"
    assert set(fact.leaves) == {"body.0.weight", "body.0.bias", "body.2.weight", "body.2.bias"}
    assert text(fact.location).startswith("head(torch.sign(body(")


def test_mask_of_zeros_is_named_as_the_factor() -> None:
    x, mask = _leaf(1.0, 2.0), torch.zeros(2)
    with recording() as harness:
        harness.name(x=x)
        (x * mask).sum().backward()
    (fact,) = harness.zeroed()
    assert (fact.node, fact.factor, fact.factor_is_leaf) == ("MulBackward0", "other", False)
    assert not fact.constant_factor


def test_mask_that_misses_what_comes_in() -> None:
    x = _leaf(1.0, 2.0)
    with recording() as harness:
        harness.name(x=x)
        ((x * torch.tensor([1.0, 0.0])) * torch.tensor([0.0, 1.0])).sum().backward()
    (fact,) = harness.zeroed()
    assert (fact.node, fact.factor) == ("MulBackward0", None)
    assert code(fact.location) == "x * torch.tensor([1.0, 0.0])"


@pytest.mark.parametrize("number", [0.0, 0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_zero_written_as_a_number(number: float, dtype: torch.dtype) -> None:
    parameter = torch.ones(2, dtype=dtype, requires_grad=True)
    with recording() as harness:
        harness.name(parameter=parameter)
        (torch.ones((), dtype=dtype) + number * parameter.sum()).backward()
    (fact,) = harness.zeroed()
    assert (fact.factor, fact.constant_factor, fact.leaves) == ("other", True, ("parameter",))


def test_zero_tensor_is_no_number() -> None:
    parameter = torch.ones(2, dtype=torch.float64, requires_grad=True)
    with recording() as harness:
        harness.name(parameter=parameter)
        (torch.zeros((), dtype=torch.float64) * parameter.sum()).backward()
    (fact,) = harness.zeroed()
    assert not fact.constant_factor


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_low_rank_adapter_names_the_zero_initialised_factor(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    down, up = nn.Parameter(torch.randn(3, 2)), nn.Parameter(torch.zeros(2, 3))
    data = torch.randn(4, 3, dtype=dtype)
    with recording() as harness:
        harness.name(down=down, up=up)
        ((data @ down.to(dtype)) @ up.to(dtype) + data[:, :2] @ up.to(dtype) - 1).square().sum().backward()
    (fact,) = harness.zeroed()
    assert (fact.node, fact.leaves, fact.factor, fact.factor_is_leaf) == (
        "MmBackward0",
        ("down",),
        "up",
        True,
    )


def test_adapter_is_silent_after_a_step() -> None:
    torch.manual_seed(0)
    down, up = nn.Parameter(torch.randn(3, 2)), nn.Parameter(torch.zeros(2, 3))
    optimizer = torch.optim.SGD([down, up], lr=0.1)
    with recording() as harness:
        harness.name(down=down, up=up)
        for _ in range(2):
            optimizer.zero_grad()
            ((torch.randn(4, 3) @ down @ up) + torch.randn(4, 2) @ up - 1).square().sum().backward()
            optimizer.step()
    assert harness.zeroed() == ()


def test_zero_initialised_last_layer_of_a_residual_branch() -> None:
    torch.manual_seed(0)
    branch = nn.Sequential(nn.Conv2d(2, 2, 3, padding=1, bias=False), nn.Conv2d(2, 2, 3, padding=1))
    scale = nn.Parameter(torch.zeros(1))
    nn.init.zeros_(branch[1].weight)
    image = torch.randn(1, 2, 4, 4)
    with recording() as harness:
        harness.name(branch=branch, scale=scale)
        (image + (branch(image) + 1) * scale).square().sum().backward()
    facts = {fact.factor: fact for fact in harness.zeroed()}
    assert set(facts) == {"scale"}
    assert set(facts["scale"].leaves) == {"branch.0.weight", "branch.1.weight", "branch.1.bias"}
    assert facts["scale"].factor_is_leaf


def test_zero_weight_of_a_linear_layer_stops_what_is_behind() -> None:
    torch.manual_seed(0)
    first, last = nn.Linear(3, 4), nn.Linear(4, 1)
    nn.init.zeros_(last.weight)
    with recording() as harness:
        harness.name(first=first, last=last)
        (last(first(torch.randn(5, 3))) - 1).square().sum().backward()
    (fact,) = harness.zeroed()
    assert (fact.node, fact.factor) == ("AddmmBackward0", "last.weight")
    assert set(fact.leaves) == {"first.weight", "first.bias"}


def test_bias_whose_gradient_cancels_is_no_zeroing() -> None:
    torch.manual_seed(0)
    critic = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    real, fake = torch.randn(4, 2), torch.randn(4, 2)
    with recording() as harness:
        harness.name(critic=critic)
        (critic(fake).mean() - critic(real).mean()).backward()
        critic.zero_grad()
        scores = critic(torch.cat([real, fake]))
        (scores * torch.tensor([[1.0]] * 4 + [[-1.0]] * 4)).mean().backward()
    bias = critic[2].bias.grad
    assert bias is not None
    assert bool((bias == 0).all())
    assert harness.zeroed() == ()


def test_lonely_bias_that_cancels_is_no_zeroing() -> None:
    bias = _leaf(0.5)
    with recording() as harness:
        harness.name(bias=bias)
        ((torch.randn(4) + bias) * torch.tensor([1.0, -1.0, 1.0, -1.0])).sum().backward()
    assert bias.grad is not None
    assert bias.grad.item() == 0
    assert harness.zeroed() == ()


def test_zero_seed_blames_nobody() -> None:
    x = _leaf(1.0, 2.0)
    with recording() as harness:
        harness.name(x=x)
        (x * 2).backward(torch.zeros(2))
    assert harness.zeroed() == ()


@pytest.mark.parametrize("told", [True, False])
def test_grad_call(told: bool) -> None:
    x, y = _leaf(1.0, 2.0), _leaf(1.0, 2.0)
    with recording() as harness:
        harness.tell_inputs = told
        harness.name(x=x, y=y)
        torch.autograd.grad((torch.round(x) * y).sum(), [x, y])
        torch.autograd.grad((torch.round(x) * y).sum(), y)
    assert [fact.leaves for fact in harness.zeroed()] == ([("x",)] if told else [])


def test_grad_call_counts_as_a_gradient() -> None:
    x = _leaf(1.0, 2.0)
    with recording() as harness:
        harness.name(x=x)
        torch.autograd.grad((x * 2).sum(), x)
        torch.round(x).sum().backward()
    assert harness.zeroed() == ()


def test_grad_call_that_sums_a_zero_and_a_living_edge() -> None:
    x = _leaf(1.0, 2.0)
    with recording() as harness:
        harness.name(x=x)
        torch.autograd.grad((torch.round(x) + x).sum(), x)
        torch.round(x).sum().backward()
    assert harness.zeroed() == ()


def test_custom_function_that_gives_zeros() -> None:
    class Stop(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor, y: Tensor) -> Tensor:
            return x + y

        @staticmethod
        def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
            return torch.zeros_like(grad), None

    x, y = _leaf(1.0, 2.0), _leaf(1.0, 2.0)
    with recording() as harness:
        harness.name(x=x, y=y)
        Stop.apply(x, y).sum().backward()
    (fact,) = harness.zeroed()
    assert (fact.node, fact.op, fact.leaves) == ("StopBackward", "Stop", ("x",))


def test_sparse_and_dense_rows_of_an_embedding() -> None:
    embedding = nn.Embedding(5, 2, padding_idx=0, sparse=True)
    with recording() as harness:
        harness.name(embedding=embedding)
        embedding(torch.tensor([0, 0])).sum().backward()
    (fact,) = harness.zeroed()
    assert fact.leaves == ("embedding.weight",)
    assert fact.node == "EmbeddingBackward0"


@pytest.mark.parametrize("padding", [None, 0, 2])
def test_what_an_embedding_looked_up_is_told_with_its_padding(padding: int | None) -> None:
    rows = nn.Embedding(3, 2, padding_idx=padding)
    with recording() as harness:
        harness.name(rows=rows)
        looked_up = rows(torch.tensor([[2, 2], [0, 0]] if padding is None else [[padding] * 2]))
        (looked_up * (0.0 if padding is None else 1.0)).sum().backward()
    (fact,) = harness.zeroed()
    assert [(one.name, one.smallest, one.largest) for one in fact.saved if one.name != "other"] == (
        [] if padding is None else [("indices", padding, padding), ("padding_idx", padding, padding)]
    )


def test_sites_are_bounded_and_forgotten() -> None:
    x = _leaf(1.0, 2.0)
    with recording() as harness:
        harness.name(x=x)
        for _ in range(3):
            torch.round(x).sum().backward()
        assert len(harness.nodes.zeroing) == 1
        assert harness.nodes.zeroing.undecided()
        x.sum().backward()
        assert len(harness.nodes.zeroing) == 0
        assert not harness.nodes.zeroing.undecided()
