"""The layers of a graph, their depths, and the gradients that arrive at them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gradscope.facts import GradientGrowth, GradientProfile, LayerGradient
from gradscope.recorder import Recorder
from gradscope.recorder.graph import walk
from gradscope.recorder.layers import takings, weights_among


def profiles(program: Callable[[], None]) -> tuple[GradientProfile, ...]:
    recorder = Recorder()
    with recorder:
        program()
    recording = recorder.recording()
    assert not [text for text in recording.not_seen if "fault" in text]
    return recording.gradient_profiles


def only_profile(program: Callable[[], None]) -> dict[str, LayerGradient]:
    (profile,) = profiles(program)
    return {layer.leaf: layer for layer in profile.layers}


def depths(loss: Tensor) -> dict[int, list[int]]:
    """The depths of the uses of each weight, by `id`."""
    nodes, leaves = walk([loss])
    found: dict[int, list[int]] = {}
    for taking in takings(nodes, weights_among(leaves.values())):
        for weight in taking.weights:
            found.setdefault(weight, []).append(taking.depth)
    return found


def weight(*shape: int) -> Tensor:
    return (torch.randn(shape) / 3).requires_grad_()


# ---------------------------------------------------------------- the order of layers


def test_layers_are_counted_from_the_loss_whatever_lies_between() -> None:
    first, second = nn.Linear(3, 4), nn.Linear(4, 5, bias=False)
    loss = torch.relu(second(torch.sigmoid(first(torch.ones(2, 3))))).sum()
    assert depths(loss) == {id(first.weight): [2], id(second.weight): [1]}


def test_what_is_made_of_a_weight_alone_is_passed_over() -> None:
    a, b = weight(4, 4), weight(4, 4)
    made = (a * 0.5).t().to(torch.float64).to(torch.float32) / a.norm()
    loss = (torch.ones(2, 4) @ made @ b).sum()
    assert depths(loss) == {id(a): [2, 2], id(b): [1]} or depths(loss) == {id(a): [2], id(b): [1]}


def test_branches_side_by_side_have_the_same_depth() -> None:
    trunk, left, right = weight(4, 4), weight(4, 4), weight(4, 4)
    h = torch.ones(2, 4) @ trunk
    loss = (h @ left).sum() + (h @ right).sum()
    assert depths(loss) == {id(trunk): [2], id(left): [1], id(right): [1]}


def test_the_longest_way_counts_past_a_residual() -> None:
    a, b, c = weight(4, 4), weight(4, 4), weight(4, 4)
    h = torch.ones(2, 4) @ a
    h = h + torch.relu(h @ b)
    assert depths((h @ c).sum()) == {id(a): [3], id(b): [2], id(c): [1]}


def test_a_custom_function_is_a_layer() -> None:
    class Multiply(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor, w: Tensor) -> Tensor:
            ctx.save_for_backward(x, w)
            return x @ w

        @staticmethod
        def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
            x, w = ctx.saved_tensors
            return gradient @ w.t(), x.t() @ gradient

    a, b = weight(4, 4), weight(4, 4)
    loss = Multiply.apply(Multiply.apply(torch.ones(2, 4), a), b).sum()
    assert depths(loss) == {id(a): [2], id(b): [1]}


def test_uses_of_one_weight_and_which_of_them_come_back_to_it() -> None:
    step, enter = weight(4, 4), weight(4, 4)
    state = torch.ones(2, 4)
    for _ in range(3):
        state = state @ step + torch.ones(2, 4) @ enter
    nodes, leaves = walk([state.sum()])
    found = takings(nodes, weights_among(leaves.values()))
    again = [weight for taking in found for weight in taking.again]
    assert again == [id(step)] * 2
    assert [taking.depth for taking in found if id(step) in taking.weights] == [1, 2, 3]


def test_biases_and_plain_vectors_are_no_weights() -> None:
    vector = torch.ones(4, requires_grad=True)
    assert takings(walk([(vector * 2).sum()])[0], weights_among([vector])) == []


# ---------------------------------------------------------------- what is kept


def train(model: nn.Module, steps: int = 3, lr: float = 0.0) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    for _ in range(steps):
        optimizer.zero_grad()
        model(torch.ones(2, 4)).sum().backward()
        optimizer.step()


def test_the_numbers_are_those_of_the_gradients() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 3))
    layers = only_profile(lambda: train(model))
    for name, layer in (("0", model[0]), ("2", model[2])):
        grad = layer.weight.grad
        found = layers[f"{name}.weight"]
        assert found.rms == pytest.approx((float(grad.pow(2).mean().sqrt()),) * 3)
        assert found.op == "AddmmBackward0"
        assert found.location is not None
    assert layers["2.weight"].arriving == pytest.approx((6**0.5,))
    assert [layer.depth for layer in layers.values()] == [2, 1]


def test_a_weight_that_is_zero_at_the_start_is_left_out() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    nn.init.zeros_(model[1].weight)
    assert [*only_profile(lambda: train(model))] == ["0.weight"]


def test_each_model_of_a_loop_has_its_own_profile() -> None:
    def program() -> None:
        for scale in (1.0, 10.0):
            model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
            with torch.no_grad():
                model[1].weight.fill_(scale)
            train(model)

    first, second = (profile.layers[0].rms for profile in profiles(program))
    assert second == pytest.approx(tuple(10 * value for value in first))


def test_growth_is_that_of_the_whole_gradient() -> None:
    w = torch.ones(2, 1, requires_grad=True)

    def program() -> None:
        for factor in (1.0, 10.0, 100.0, float("inf")):
            w.grad = None
            (factor * w).sum().backward()

    recorder = Recorder()
    with recorder:
        program()
    (fact,) = recorder.recording().gradient_growths
    assert isinstance(fact, GradientGrowth)
    assert fact.norms == pytest.approx((2**0.5, 10 * 2**0.5, 100 * 2**0.5))
    assert (fact.steps, fact.overflow) == ((1, 2, 3), 4)


def test_a_finite_gradient_whose_squares_overflow_is_finite() -> None:
    w = torch.ones(2, 1, requires_grad=True)

    def program() -> None:
        for factor in (1.0, 1e30):
            w.grad = None
            (factor * w).sum().backward()

    recorder = Recorder()
    with recorder:
        program()
    recording = recorder.recording()
    (fact,) = recording.gradient_growths
    assert fact.norms == pytest.approx((2**0.5, 1e30 * 2**0.5))
    assert fact.overflow is None


# ---------------------------------------------------------------- nothing is disturbed


@pytest.mark.parametrize("create_graph", [False, True])
def test_gradients_are_identical_and_hooks_are_gone(create_graph: bool) -> None:
    def gradients() -> tuple[list[Tensor], Any]:
        torch.manual_seed(0)
        cell = nn.GRUCell(4, 4)
        state, x = torch.zeros(2, 4), torch.randn(2, 4)
        for _ in range(5):
            state = cell(x, state)
        loss = state.pow(2).sum()
        return list(torch.autograd.grad(loss, [*cell.parameters()], create_graph=create_graph)), loss

    plain, _ = gradients()
    with Recorder():
        watched, loss = gradients()
    assert all(torch.equal(a, b) for a, b in zip(plain, watched, strict=True))
    if create_graph:
        assert all(gradient.requires_grad for gradient in watched)
        torch.autograd.grad(loss, [*walk([loss])[1].values()])  # the graph is still whole


def test_a_backward_that_raises_leaves_no_hook_behind() -> None:
    recorder = Recorder()
    w = weight(3, 3)
    with recorder:
        h = torch.ones(2, 3) @ w
        h.register_hook(lambda gradient: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            h.sum().backward()
        w.grad = None
        (torch.ones(2, 3) @ w).sum().backward()
    (profile,) = recorder.recording().gradient_profiles  # the first backward left none
    assert profile.layers[0].arriving == pytest.approx((6**0.5,))
