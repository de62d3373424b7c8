"""From what is typed to nodes."""

from __future__ import annotations

import pytest

from gradscope.formulas.names import folded, label, nodes_named, op_names
from gradscope.formulas.table import table


def named(text: str) -> tuple[str, ...]:
    return nodes_named(text, table().nodes)


@pytest.mark.parametrize(
    "text",
    [
        "MulBackward0",
        "mulbackward0",
        "torch::autograd::MulBackward0",
        "<MulBackward0>",
        "grad_fn=<MulBackward0>",
        "<MulBackward0 object at 0x7f0c3d50a800>",
        " MulBackward0 ",
        "mul.Tensor",
        "aten::mul.Tensor",
        "torch.ops.aten.mul.Tensor",
        "mul_.Tensor",
    ],
)
def test_one_node(text: str) -> None:
    assert named(text) == ("MulBackward0",)


@pytest.mark.parametrize(
    "text", ["MulBackward", "mul", "torch.mul", "Tensor.mul", "torch.Tensor.mul_", "*", "mul()"]
)
def test_all_of_an_op(text: str) -> None:
    assert named(text) == ("MulBackward0", "MulBackward1")


@pytest.mark.parametrize(
    ("text", "nodes"),
    [
        ("F.relu", ("ReluBackward0",)),
        ("nn.ReLU", ("ReluBackward0",)),
        ("torch.nn.functional.softmax", ("SoftmaxBackward0",)),
        ("nn.LogSigmoid", ("LogSigmoidBackward0",)),
        ("layer_norm", ("NativeLayerNormBackward0",)),
        ("nn.CrossEntropyLoss", ("LogSoftmaxBackward0", "NllLossBackward0", "NllLoss2DBackward0")),
        ("nn.MSELoss", ("MseLossBackward0",)),
        ("nn.Conv2d", ("ConvolutionBackward0",)),
        ("torch.linalg.det", ("LinalgDetBackward0",)),
        ("torch.special.erf", ("ErfBackward0",)),
        ("__getitem__", ("SelectBackward0", "SliceBackward0", "IndexBackward0")),
        ("@", ("MmBackward0", "BmmBackward0", "MvBackward0", "DotBackward0")),
        ("accumulategrad", ("AccumulateGrad",)),
    ],
)
def test_functions_and_layers(text: str, nodes: tuple[str, ...]) -> None:
    assert named(text) == nodes


@pytest.mark.parametrize("text", ["", ".", "zzz", "argmax", "MyFunctionBackward", "GS102", "Backward0", "()"])
def test_nothing(text: str) -> None:
    assert named(text) == ()


def test_a_name_of_another_key_is_not_the_ops() -> None:
    assert named("sum") == ("SumBackward0", "SumBackward1")
    assert named("SumBackwardAutogradNestedTensor0") == ("SumBackwardAutogradNestedTensor0",)


def test_labels_and_spellings() -> None:
    assert label("torch::autograd::CopySlices") == "CopySlices"
    assert folded("torch.nn.functional.cross_entropy") == folded("nn.CrossEntropy") == "crossentropy"
    names = op_names(table().nodes.values())
    assert {"mul", "softmax", "native_layer_norm"} <= set(names)
    assert not [name for name in names if name.endswith("_backward")]


def test_every_node_is_found_by_its_name_and_by_its_op() -> None:
    for name, each in table().nodes.items():
        assert named(name) == (name,)
        if each.op and not each.dispatch and "." in each.op:
            assert name in named(each.op)
