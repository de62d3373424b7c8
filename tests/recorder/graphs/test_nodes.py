"""A graph as it stands: against a walk of `next_functions`, and what each kind of node is called."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.utils.checkpoint import checkpoint

from gradscope.facts.graph import AutogradGraph, GraphNode, NodeKind
from gradscope.recorder.graphs.live import graph_of
from tests.recorder.harness import walk


def taken(*roots: Tensor) -> AutogradGraph:
    return graph_of(roots, None)


def named(graph: AutogradGraph, name: str) -> GraphNode:
    (found,) = [node for node in graph.nodes if node.name == name]
    return found


def transformer() -> Tensor:
    torch.manual_seed(0)
    model = nn.TransformerEncoder(
        nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2, enable_nested_tensor=False
    )
    loss: Tensor = model(torch.randn(2, 5, 8)).square().mean()
    return loss


def recurrent() -> Tensor:
    output, (h, c) = nn.LSTM(3, 4, num_layers=2)(torch.randn(5, 2, 3))
    loss: Tensor = output.sum() + h.mean() + c.square().sum()
    return loss


def unbound() -> Tensor:
    x = torch.randn(4, 3, requires_grad=True)
    first, second, *rest = x.unbind()
    return first @ second + rest[0].sum()


def by_hand() -> Tensor:
    x = torch.randn(3, requires_grad=True)
    y = x.clone()
    y[0] = 5.0
    y.mul_(2)
    return (y.view(3, 1) * y).sum()


def differentiated() -> Tensor:
    x = torch.randn(3, requires_grad=True)
    (gradient,) = torch.autograd.grad(x.pow(3).sum(), x, create_graph=True)
    return gradient.square().sum() + x.sum()


@pytest.mark.parametrize("program", [transformer, recurrent, unbound, by_hand, differentiated])
def test_nodes_and_edges_are_those_of_next_functions(program: Any) -> None:
    root = program()
    graph = taken(root)
    expected = walk([root])
    assert sorted(node.name for node in graph.nodes) == sorted(
        node.name().rpartition("::")[2] for node in expected
    )
    edges = sorted(
        (node.name().rpartition("::")[2], target.name().rpartition("::")[2], number)
        for node in expected
        for target, number in node.next_functions
        if target is not None
    )
    assert edges == sorted(
        (node.name, graph.nodes[edge[0]].name, edge[1])
        for node in graph.nodes
        for edge in node.next
        if edge is not None
    )


@pytest.mark.parametrize("program", [transformer, recurrent, unbound, by_hand, differentiated])
def test_what_a_node_leads_to_stands_before_it(program: Any) -> None:
    graph = taken(program())
    for index, node in enumerate(graph.nodes):
        assert all(edge is None or edge[0] < index for edge in node.next)


def test_shapes_are_those_of_the_forward() -> None:
    graph = taken((torch.randn(2, 3) @ torch.randn(3, 4, requires_grad=True)).sum())
    assert named(graph, "MmBackward0").shapes == ((2, 4),)
    assert named(graph, "MmBackward0").dtypes == ("float32",)
    assert named(graph, "AccumulateGrad").shapes == ((3, 4),)


def test_an_untracked_input_has_no_edge() -> None:
    w = torch.randn(3, 4, requires_grad=True)
    assert taken((torch.randn(2, 3) @ w).sum()).nodes[1].next == (None, (0, 0))


def test_memory_is_counted_once_and_that_of_a_leaf_not_at_all() -> None:
    x = torch.randn(8, requires_grad=True)
    y = x.exp()  # saves its result, which both products save again
    graph = taken((y * y).sum() + (y * x).sum())
    assert named(graph, "ExpBackward0").saved_bytes == 32
    products = [node for node in graph.nodes if node.name == "MulBackward0"]
    assert [node.saved_bytes for node in products] == [0, 0]
    assert {saved.name: saved.shared for saved in products[0].saved} == {"other": True, "self": True}


def test_a_view_keeps_the_memory_of_its_base() -> None:
    wide = torch.randn(100, requires_grad=True).exp()
    kept = named(taken(wide[:2].sin().sum()), "SinBackward0").saved
    assert [(one.shape, one.storage_bytes) for one in kept] == [((2,), 400)]


def test_a_checkpoint_keeps_placeholders() -> None:
    x = torch.randn(3, requires_grad=True)
    graph = taken(checkpoint(lambda a: a.sin().exp().sum(), x, use_reentrant=False))
    assert [one.recomputed for one in named(graph, "ExpBackward0").saved] == [True]
    assert named(graph, "ExpBackward0").saved_bytes == 0


def test_what_a_hook_packed_is_not_read() -> None:
    x = torch.randn(3, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: t.tolist(), lambda packed: torch.tensor(packed)):
        y = x.sin().exp().sum()
    assert [one.packed for one in named(taken(y), "SinBackward0").saved] == [True]


def test_kinds() -> None:
    x = torch.randn(3, requires_grad=True)
    graph = taken(Doubled.apply(checkpoint(torch.sin, x, use_reentrant=True)).sum())
    kinds = {node.name: node.kind for node in graph.nodes}
    assert kinds == {
        "AccumulateGrad": NodeKind.LEAF,
        "CheckpointFunctionBackward": NodeKind.CHECKPOINT,
        "DoubledBackward": NodeKind.CUSTOM,
        "SumBackward0": NodeKind.OP,
    }
    (definition,) = graph.definitions
    assert definition.name == "Doubled"
    assert definition.location is not None
    assert definition.location.path == __file__
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    assert lines[definition.location.line - 1].strip().startswith("def backward")


class Doubled(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x * 2

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        return grad_output * 2


def test_a_custom_op_has_the_name_it_was_registered_with() -> None:
    @torch.library.custom_op("gradscope_tests::tripled", mutates_args=())
    def tripled(x: Tensor) -> Tensor:
        return x * 3

    torch.library.register_autograd("gradscope_tests::tripled", lambda ctx, gradient: gradient * 3)
    (definition,) = taken(tripled(torch.randn(3, requires_grad=True)).sum()).definitions
    assert definition.name == "gradscope_tests::tripled"
    assert definition.location is not None
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    assert "register_autograd" in lines[definition.location.line - 1]


def test_a_compiled_region_is_one_node() -> None:
    compiled = torch.compile(lambda a: a.sin().exp(), backend="aot_eager")
    graph = taken(compiled(torch.randn(3, requires_grad=True)).sum())
    assert named(graph, "CompiledFunctionBackward").kind is NodeKind.COMPILED


def test_the_order_of_several_threads_is_that_of_the_graph() -> None:
    x = torch.randn(3, requires_grad=True)
    for _ in range(50):
        x.sin()  # this thread is far ahead in its sequence numbers
    made = [x.sin().cos()]
    worker = threading.Thread(target=lambda: made.append(made[0].tan().exp()))
    worker.start()
    worker.join()
    graph = taken(made[1].sum())
    assert [node.name for node in graph.nodes][:4] == [
        "AccumulateGrad",
        "SinBackward0",
        "CosBackward0",
        "TanBackward0",
    ]


def chain(length: int) -> Tensor:
    y = torch.randn((), requires_grad=True)
    for _ in range(length):
        y = y + 1
    return y


def test_a_hundred_thousand_nodes_in_a_row() -> None:
    graph = taken(chain(100_000))
    assert len(graph.nodes) == 100_001
    assert graph.nodes[-1].next == ((99_999, 0), None)


def test_a_deep_graph_is_freed_as_soon_as_its_last_tensor() -> None:
    released: list[str] = []

    def step() -> None:
        y = chain(30_000)
        deep = y.grad_fn
        for _ in range(29_990):
            assert deep is not None
            deep = deep.next_functions[0][0]
        assert deep is not None
        deep.metadata["of the test"] = Freed(released)
        del deep
        taken(y)
        assert not released

    step()
    assert released


class Freed:
    """Tells when it is freed."""

    def __init__(self, told: list[str]) -> None:
        self.told = told

    def __del__(self) -> None:
        self.told.append("freed")


def test_a_leaf_is_its_own_graph() -> None:
    x = torch.tensor(2.0, requires_grad=True)
    graph = taken(x)
    assert [node.leaf for node in graph.nodes] == ["x"]
    assert graph.roots == ((0, 0),)
    assert graph.loss == 2.0


def test_lines_come_from_anomaly_mode_where_nobody_recorded() -> None:
    with pytest.warns(UserWarning, match="Anomaly Detection"), torch.autograd.detect_anomaly(check_nan=False):
        y = torch.randn(3, requires_grad=True).sin()
    graph = taken(y.sum())
    place = graph.location(named(graph, "SinBackward0"))
    assert place is not None
    assert place.path == __file__
    assert graph.location(named(graph, "SumBackward0")) is None
