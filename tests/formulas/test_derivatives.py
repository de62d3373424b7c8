"""What torchgen reads of the installed torch: formulas, what is saved, forward mode."""

from __future__ import annotations

import importlib
import importlib.util
import types
from typing import Any

import pytest
import torch

from gradscope.facts.formulas import Gradient, NodeFormula, SavedKind, Tangent
from gradscope.formulas import FormulasMissing
from gradscope.formulas.derivatives import Derivatives, read_derivatives
from gradscope.formulas.installed import installed
from gradscope.formulas.table import table


@pytest.fixture(scope="module")
def read() -> Derivatives:
    return read_derivatives(installed())


def node(name: str) -> NodeFormula:
    return table().nodes[name]


def saved_tensors(name: str) -> dict[str, SavedKind]:
    kinds = (SavedKind.INPUT, SavedKind.OUTPUT)
    return {each.what: each.kind for each in node(name).saved if each.kind in kinds}


def test_a_product() -> None:
    found = node("MulBackward0")
    assert found.op == "mul.Tensor"
    assert found.schema == "mul.Tensor(Tensor self, Tensor other) -> Tensor"
    assert found.gradients == (
        Gradient(("self",), "mul_tensor_backward(grad, other, self.scalar_type())"),
        Gradient(("other",), "mul_tensor_backward(grad, self, other.scalar_type())"),
    )
    assert found.tangents == (Tangent(("result",), "other_t * self_p + self_t * other_p"),)
    assert {each.what: each.needed_for for each in found.saved if each.kind is SavedKind.INPUT} == {
        "self": ("other",),
        "other": ("self",),
    }
    assert "mul_.Tensor" in found.also


@pytest.mark.parametrize("op", ["exp", "sigmoid", "tanh", "relu", "sqrt"])
def test_some_save_their_result(op: str) -> None:
    assert saved_tensors(f"{op.title()}Backward0") == {"result": SavedKind.OUTPUT}


@pytest.mark.parametrize("op", ["log", "sin", "abs"])
def test_some_save_their_input(op: str) -> None:
    assert saved_tensors(f"{op.title()}Backward0") == {"self": SavedKind.INPUT}


@pytest.mark.parametrize("name", ["SumBackward0", "SumBackward1", "MeanBackward0", "MeanBackward1"])
def test_sums_and_means_stand_under_dispatch_and_save_no_tensor(name: str) -> None:
    assert node(name).dispatch == ""
    assert node(name).gradient_of("self").startswith(("grad.expand", "sum_backward", "mean_backward"))
    assert not saved_tensors(name)


def test_a_formula_of_another_key_says_so() -> None:
    found = node("SumBackwardAutogradNestedTensor0")
    assert found.dispatch == "AutogradNestedTensor"
    assert found.gradient_of("self") == "ones_like(self) * grad"


def test_what_has_no_gradient_is_told() -> None:
    assert node("NllLossBackward0").not_differentiable == ("target", "weight")
    assert node("EmbeddingBackward0").not_differentiable == ("indices",)
    assert node("MulBackward0").not_differentiable == ()


def test_one_formula_for_several_inputs() -> None:
    [gradient] = node("NativeLayerNormBackward0").gradients
    assert gradient.inputs == ("input", "weight", "bias")
    assert node("NativeLayerNormBackward0").gradient_of("bias") == gradient.formula


def test_foreach_ops_have_formulas() -> None:
    assert node("ForeachExpBackward0").gradients
    assert node("ForeachMulBackward0List").op == "_foreach_mul.List"


def test_no_op_with_out_leaves_a_node(read: Derivatives) -> None:
    assert not [op for each in read.nodes for op in each.also if op.endswith(".out")]


def test_ops_without_a_node(read: Derivatives) -> None:
    assert {"cross_entropy_loss", "matmul"} & set(read.composed)
    assert {"argmax", "isnan", "nonzero"} <= set(read.without)
    assert not set(read.composed) & set(read.without)
    assert "mul" not in (*read.composed, *read.without)


def test_the_tensors_that_are_saved_are_those_that_nodes_have_attributes_for() -> None:
    compared = 0
    for name, each in vars(torch._C._functions).items():
        if isinstance(each, type) and name[0] != "_" and node(name).gradients:
            attributes = [one for one in dir(each) if one.startswith("_raw_saved_")]
            assert set(saved_tensors(name)) == {one.removeprefix("_raw_saved_") for one in attributes}, name
            compared += 1
    assert compared > 600


def test_what_is_saved_is_what_a_node_keeps() -> None:
    x = torch.rand(3, 3, requires_grad=True)
    for result in (x * x, x.exp(), x.log(), x.softmax(0), x @ x, x.var(), torch.lerp(x, x, x)):
        kept = {name.removeprefix("_saved_") for name in dir(result.grad_fn) if name.startswith("_saved_")}
        told = {each.what for each in node(result.grad_fn.name()).saved}
        assert {name for name in told if name.isidentifier()} <= kept
        tensors = {
            name for name in kept if isinstance(getattr(result.grad_fn, f"_saved_{name}"), torch.Tensor)
        }
        assert tensors == set(saved_tensors(result.grad_fn.name()))


def test_what_only_needs_the_shape_keeps_no_tensor() -> None:
    assert not saved_tensors("SelectScatterBackward0")
    assert "sizes and dtype of src" in {each.what for each in node("SelectScatterBackward0").saved}


class Moved(types.ModuleType):
    """A torchgen that has not what is asked of it."""


@pytest.fixture
def moved(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.import_module

    def imported(name: str, package: str | None = None) -> Any:
        return Moved(name) if name.startswith("torchgen") else real(name, package)

    monkeypatch.setattr(importlib, "import_module", imported)


@pytest.mark.usefixtures("moved")
def test_another_torchgen_is_told() -> None:
    with pytest.raises(FormulasMissing, match=r"cannot be read by its own torchgen.*has no attribute"):
        read_derivatives(installed())


def test_without_yaml(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, package=None: None if name == "yaml" else real(name, package),
    )
    with pytest.raises(FormulasMissing, match="PyYAML is not installed"):
        read_derivatives(installed())


def test_files_that_are_no_derivatives(tmp_path: Any) -> None:
    from dataclasses import replace

    path = tmp_path / "derivatives.yaml"
    path.write_text("- nothing: [\n", encoding="utf-8")
    with pytest.raises(FormulasMissing, match="cannot be read by its own torchgen"):
        read_derivatives(replace(installed(), derivatives=path))
