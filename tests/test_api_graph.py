"""`gradscope.graph`: the graph of tensors, or of a call."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

import gradscope
from gradscope.errors import OutputError, UsageError


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))


def test_of_a_tensor_nothing_is_run() -> None:
    model = network()
    loss = model(torch.randn(3, 4)).square().mean()
    graph = gradscope.graph(loss, names=model)
    assert [leaf.leaf for leaf in graph.leaves] == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert graph.nodes[-1].name == "MeanBackward0"
    assert graph.data.loss == pytest.approx(loss.item())
    assert all(parameter.grad is None for parameter in model.parameters())
    loss.backward()  # nothing was freed


def test_edges_are_node_next_node_and_output_nr() -> None:
    first, second = torch.randn(2, 3, requires_grad=True).unbind()
    graph = gradscope.graph((first * 2 + second).sum())
    unbound = next(index for index, node in enumerate(graph.nodes) if node.name == "UnbindBackward0")
    assert sorted(number for _, target, number in graph.edges if target == unbound) == [0, 1]


def test_names_are_those_of_a_mapping_or_of_variables() -> None:
    w, b = torch.randn(3, requires_grad=True), torch.randn((), requires_grad=True)
    y = (w * 2).sum() + b
    assert {leaf.leaf for leaf in gradscope.graph(y).leaves} == {"w", "b"}
    assert {leaf.leaf for leaf in gradscope.graph(y, names={"weight": w}).leaves} == {"weight", "b"}


def test_several_tensors_are_several_roots() -> None:
    x = torch.randn(3, requires_grad=True)
    graph = gradscope.graph([x.sin(), x.cos()])
    assert len(graph.data.roots) == 2
    assert len(graph.leaves) == 1


def test_a_module_is_called_and_differentiated_but_no_grad_is_written() -> None:
    model, batch = network(), torch.randn(3, 4)
    graph = gradscope.graph(model, batch)
    assert all(parameter.grad is None for parameter in model.parameters())
    model(batch).mean().backward()
    for leaf, parameter in zip(graph.leaves, model.parameters(), strict=True):
        assert leaf.incoming == pytest.approx(float(torch.linalg.vector_norm(parameter.grad)))  # type: ignore[arg-type]
    places = [graph.data.place(node) for node in graph.nodes if node.name == "AddmmBackward0"]
    assert [place and place.module for place in places] == ["model.0", "model.2"]


def test_a_function_and_a_loss() -> None:
    w = torch.tensor([1.0, 2.0], requires_grad=True)

    def predict(x: Tensor) -> dict[str, Tensor]:
        return {"prediction": w * x}

    graph = gradscope.graph(predict, torch.ones(2), loss=lambda output: output["prediction"].sum())
    assert graph.leaves[0].incoming == pytest.approx(2**0.5)


def test_what_has_no_graph() -> None:
    with pytest.raises(UsageError, match="does not require grad"):
        gradscope.graph(torch.ones(3))
    with pytest.raises(UsageError, match="give tensors, a module or a function"):
        gradscope.graph(3)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="returned int, in which no tensor requires grad"):
        gradscope.graph(lambda: 3)
    with pytest.raises(UsageError, match="is not called with inputs"):
        gradscope.graph(torch.ones(3, requires_grad=True).sum(), torch.ones(3))


def test_a_reentrant_checkpoint_needs_backward() -> None:
    def step(x: Tensor) -> Tensor:
        return checkpoint(torch.sin, x, use_reentrant=True).sum()

    x = torch.randn(3, requires_grad=True)
    with pytest.raises(UsageError, match="step uses a reentrant checkpoint"):
        gradscope.graph(step, x)
    assert x.grad is None


def test_save_takes_the_format_of_the_name(tmp_path: Path) -> None:
    graph = gradscope.graph(network(), torch.randn(3, 4))
    assert graph.save(tmp_path / "g.dot") == [str(tmp_path / "g.dot")]
    assert (tmp_path / "g.dot").read_text().startswith("digraph")
    graph.save(tmp_path / "g.json")
    assert len(json.loads((tmp_path / "g.json").read_text())["graph"]["nodes"]) == len(graph.nodes)
    with pytest.raises(OutputError, match="its ending names no format"):
        graph.save(tmp_path / "g.xyz")
    with pytest.raises(UsageError, match="no format wood"):
        graph.save(tmp_path / "g.dot", "wood")


def test_a_view_shows_a_part(tmp_path: Path) -> None:
    graph = gradscope.graph(network(), torch.randn(3, 4))
    whole = graph.viewed(depth="all").render("dot").decode()
    part = graph.viewed(depth="all", path="2.weight").render("dot").decode()
    assert "TanhBackward0" in whole
    assert "TanhBackward0" not in part
    with pytest.raises(UsageError, match=r"no leaf called 2\.wieght") as refused:
        graph.viewed(path="2.wieght").render("dot")
    assert "2.weight" in " ".join(refused.value.try_next)
    with pytest.raises(ValueError, match="depth must be"):
        graph.viewed(depth="deep")


def test_print_is_a_tree_and_repr_is_short() -> None:
    graph = gradscope.graph(network(), torch.randn(3, 4))
    assert repr(graph) == "<gradscope.graph: 10 nodes, 4 leaves>"
    assert "Linear" in str(graph)


def test_a_notebook_gets_text_where_there_is_no_dot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    bundle: dict[str, Any] = gradscope.graph(network(), torch.randn(3, 4))._repr_mimebundle_()
    assert set(bundle) == {"text/plain"}
    assert "dot" in bundle["text/plain"]


def test_inside_a_trace_lines_are_known() -> None:
    w = torch.randn(3, requires_grad=True)
    with gradscope.trace():
        y = (w * 2).sum()
        graph = gradscope.graph(y)
    place = graph.data.place(graph.nodes[-1])
    assert place is not None
    assert place.location is not None
    assert place.location.path == __file__
