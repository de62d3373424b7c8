"""The graph of one backward of a run: gradients, lines, modules, constants; and nothing is left behind."""

from __future__ import annotations

import gc
import weakref

import pytest
import torch
from torch import Tensor, nn

from gradscope.facts.graph import AutogradGraph, GraphNode
from gradscope.recorder import Recorder


def graph_of(recorder: Recorder) -> AutogradGraph:
    graph = recorder.recording().graph
    assert graph is not None
    return graph


def nodes_named(graph: AutogradGraph, name: str) -> list[GraphNode]:
    return [node for node in graph.nodes if node.name == name]


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.up = nn.Linear(4, 8)
        self.down = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        down: Tensor = x + self.down(self.up(x).tanh())
        return down


def test_norms_are_those_of_the_gradients() -> None:
    torch.manual_seed(1)
    model = nn.Sequential(Block(), Block())
    with Recorder(graph_of=1) as recorder:
        hidden = model(torch.randn(3, 4))
        seen: list[Tensor] = []
        hidden.register_hook(seen.append)
        loss = hidden.square().mean()
        loss.backward()
    graph = graph_of(recorder)
    incoming = {node.leaf: node.incoming for node in graph.leaves}
    assert incoming == {
        name: pytest.approx(float(torch.linalg.vector_norm(parameter.grad)))
        for name, parameter in model.named_parameters()
        if parameter.grad is not None
    }
    power = next(node for node in graph.nodes if node.name == "PowBackward0")
    assert power.outgoing == (pytest.approx(float(torch.linalg.vector_norm(seen[0]))),)
    assert graph.loss == pytest.approx(loss.item())
    assert all(node.seconds is not None and node.seconds > 0 for node in graph.nodes)


def test_a_conjugated_gradient_is_measured() -> None:
    z = torch.tensor([1 + 2j, 3 - 1j], requires_grad=True)
    with Recorder(graph_of=1) as recorder:
        (z.conj() * torch.tensor([2 + 1j, 1j])).sum().abs().backward()
    graph = graph_of(recorder)
    assert z.grad is not None
    assert z.grad.is_conj()
    assert [leaf.incoming for leaf in graph.leaves] == [pytest.approx(6**0.5)]
    assert (graph.not_seen, recorder.recording().not_seen) == ((), ())


def test_nodes_know_their_line_and_module() -> None:
    model = nn.Sequential(Block(), Block())
    with Recorder(graph_of=1) as recorder:
        model(torch.randn(3, 4)).sum().backward()
    graph = graph_of(recorder)
    tanh = [graph.place(node) for node in nodes_named(graph, "TanhBackward0")]
    assert [place and place.module for place in tanh] == ["model.0", "model.1"]
    assert [place and place.expression for place in tanh] == ["self.up(x).tanh()"] * 2
    assert graph.modules["model.1.down"] == "Linear"


def test_two_roots_on_one_line_are_told_apart() -> None:
    layers = [nn.Linear(4, 4) for _ in range(3)]
    x = torch.randn(2, 4)
    with Recorder(graph_of=1) as recorder:
        for layer in layers:
            x = layer(x)
        x.sum().backward()
    graph = graph_of(recorder)
    places = [graph.place(node) for node in nodes_named(graph, "AddmmBackward0")]
    assert len({place and place.module for place in places}) == 3


def test_the_backward_that_was_asked_for() -> None:
    x = torch.tensor(2.0, requires_grad=True)
    with Recorder(graph_of=2) as recorder:
        (x * x).backward()
        (x * x * x).backward()
        (x + x).backward()
    graph = graph_of(recorder)
    assert [node.name for node in graph.nodes] == ["AccumulateGrad", "MulBackward0", "MulBackward0"]
    assert [first for _, first in graph.other_passes] == [1, 3]
    assert graph.leaves[0].incoming == 12.0


def test_a_run_with_fewer_backwards_has_no_graph() -> None:
    x = torch.tensor(2.0, requires_grad=True)
    with Recorder(graph_of=2) as recorder:
        (x * x).backward()
    assert recorder.recording().graph is None


def test_scalars_keep_their_signs_and_both_passes_have_values() -> None:
    a, b = torch.tensor(3.0, requires_grad=True), torch.tensor(-2.0, requires_grad=True)
    with Recorder(graph_of=1) as recorder:
        c = a * b
        (c + 1).backward()
    graph = graph_of(recorder)
    assert graph.small
    told = [(node.leaf or node.name, node.value, node.incoming, node.outgoing) for node in graph.nodes]
    assert told == [
        ("a", 3.0, -2.0, ()),
        ("b", -2.0, 3.0, ()),
        ("MulBackward0", -6.0, 1.0, (-2.0, 3.0)),
        ("AddBackward0", -5.0, 1.0, (1.0, None)),
    ]


def test_constants_and_frozen_parameters() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2))
    model[1].requires_grad_(False)
    batch, target = torch.randn(3, 4), torch.randn(3, 2)
    with Recorder(graph_of=1) as recorder:
        nn.functional.mse_loss(model(batch), target).backward()
    graph = graph_of(recorder)
    told = {(constant.name, constant.shape, constant.frozen) for constant in graph.constants}
    assert told == {
        ("batch", (3, 4), False),
        ("1.weight", (2, 4), True),
        ("1.bias", (2,), True),
        ("target", (3, 2), False),
    }


def test_what_comes_out_of_a_frozen_module_bears_its_name() -> None:
    model = nn.Sequential(nn.Sequential(nn.Linear(4, 4), nn.ReLU()), nn.Linear(4, 2))
    model[0].requires_grad_(False)
    with Recorder(graph_of=1) as recorder:
        model(torch.randn(3, 4)).sum().backward()
    told = {(constant.name, constant.shape, constant.frozen) for constant in graph_of(recorder).constants}
    assert told == {("0", (3, 4), True)}


def test_a_constant_stands_at_the_node_that_has_saved_it() -> None:
    cell, x = nn.LSTMCell(3, 4), torch.randn(2, 3)
    h, c = torch.randn(2, 4), torch.randn(2, 4)
    with Recorder(graph_of=1) as recorder:
        cell(x, (h, c))[0].sum().backward()
    graph = graph_of(recorder)
    told = {constant.name: graph.nodes[constant.node].name for constant in graph.constants}
    assert told == {"x": "AddmmBackward0", "h": "AddmmBackward0", "c": "MulBackward0"}


def test_constants_of_the_same_address_one_after_the_other_are_told_apart() -> None:
    w = torch.randn(3, requires_grad=True)
    with Recorder(graph_of=1) as recorder:
        total = torch.zeros(())
        for size in (1, 3):
            total = (
                total + (w * torch.ones(size, 3)).sum()
            )  # the first is freed, the second made in its place
        total.backward()
    assert {constant.shape for constant in graph_of(recorder).constants} >= {(1, 3), (3, 3)}


def test_second_order_nodes_name_the_backward_that_made_them() -> None:
    x = torch.tensor(2.0, requires_grad=True)
    with Recorder(graph_of=2) as recorder:
        (first,) = torch.autograd.grad(x**3, x, create_graph=True)
        (second,) = torch.autograd.grad(first, x, create_graph=True)
    graph = graph_of(recorder)
    assert {(node.parent, node.order) for node in graph.nodes if node.leaf is None} == {("PowBackward0", 2)}
    assert graph.call == "grad"
    assert graph.leaves[0].incoming == second.item() == 12.0
    with Recorder(graph_of=3) as recorder:
        (first,) = torch.autograd.grad(x**4, x, create_graph=True)
        (second,) = torch.autograd.grad(first, x, create_graph=True)
        torch.autograd.grad(second, x)
    assert {node.order for node in graph_of(recorder).nodes if node.leaf is None} == {3}


def test_nothing_of_the_graph_lives_on() -> None:
    x = torch.randn(4, requires_grad=True)

    def step() -> weakref.ref[Tensor]:
        y = x.exp()
        y.sum().backward()
        return weakref.ref(y)

    gc.disable()
    try:
        with Recorder(graph_of=1) as recorder:
            kept = step()
            assert kept() is None
    finally:
        gc.enable()
    assert graph_of(recorder).leaves[0].leaf == "x"


def test_a_backward_that_raises_has_its_graph_and_leaves_no_hook() -> None:
    x = torch.randn(4, requires_grad=True)
    y = x.exp()
    with Recorder(graph_of=1) as recorder:
        y.mul_(2)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            y.sum().backward()
    graph = graph_of(recorder)
    assert [node.incoming is None for node in nodes_named(graph, "ExpBackward0")] == [True]
    assert not recorder.recording().not_seen


def test_the_dtype_in_which_norms_are_taken_is_wide_enough() -> None:
    x = torch.full((4096,), 200.0, dtype=torch.float16, requires_grad=True)
    with Recorder(graph_of=1) as recorder:
        (x * 300.0).backward(torch.full((4096,), 200.0, dtype=torch.float16))
    assert graph_of(recorder).leaves[0].incoming == pytest.approx(60_000.0 * 64, rel=1e-3)
