"""`gradscope explain` for nodes, ops and custom Functions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gradscope.cli import run
from gradscope.exits import ExitStatus
from gradscope.formulas import FormulasMissing
from gradscope.formulas.table import table
from tests.cli.running import write

FUNCTION = """
    import torch

    raise SystemExit("this file must not be run")


    class Gate(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            y = torch.sigmoid(x)
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx, grad):
            (y,) = ctx.saved_tensors
            return grad * y * (1 - y)  # \x1b[31m red


    class Net(torch.nn.Module):
        pass
    """


@pytest.fixture(autouse=True)
def eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def out_of(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert run(["explain", *words]) == ExitStatus.OK
    return capsys.readouterr().out


def error_of(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert run(["explain", *words]) == ExitStatus.USAGE
    return capsys.readouterr().err


@pytest.mark.parametrize(
    "name", ["MulBackward0", "mulbackward0", "torch::autograd::MulBackward0", "mul.Tensor"]
)
def test_the_page_of_a_node(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    out = out_of(capsys, name)
    assert out.startswith(
        "MulBackward0\nmul.Tensor(Tensor self, Tensor other) -> Tensor\n\nGradient  as torch has it"
    )
    assert "    self   mul_tensor_backward(grad, other, self.scalar_type())\n" in out
    assert "    self   grad * other\n    other  grad * self\n" in out
    assert "    inputs      self (for other), other (for self)\n" in out
    assert "    result  other_t * self_p + self_t * other_p\n" in out
    assert "from derivatives.yaml of torch " in out


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("ExpBackward0", "Saved for backward  its result, not its input\n    outputs  result\n"),
        ("LogBackward0", "Saved for backward  its input\n    inputs  self\n"),
        ("SumBackward0", "Saved for backward  no tensor\n    properties  self.sym_sizes()\n"),
        ("NegBackward0", "Saved for backward  nothing\n"),
        ("NllLossBackward0", "Tensors without a gradient  target, weight\n"),
        ("GeluBackward0", "In plain math  where approximate='none'\n"),
        ("UniqueDimBackward0", "Forward mode  none\n"),
        (
            "SumBackwardAutogradNestedTensor0",
            "under AutogradNestedTensor\n    self  ones_like(self) * grad\n",
        ),
        ("AccumulateGrad", "AccumulateGrad\nThe end of a path: a leaf"),
        (
            "CheckpointFunctionBackward",
            "source  gradscope explain torch.utils.checkpoint:CheckpointFunction\n",
        ),
    ],
)
def test_what_pages_say(name: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert words in out_of(capsys, name)


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_every_page_fits(
    columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from gradscope.commands._explain_node import NodeTopic

    known = table()
    for node in known.nodes.values():
        for line in NodeTopic(node, known.torch).page(columns):
            text = line.replace("\x1b[1m", "").replace("\x1b[0m", "")
            # One word may be longer than the screen.
            assert len(text) <= columns or len(text.split()[-1]) > columns // 3, (node.node, text)


def test_an_op_leaves_several_nodes(capsys: pytest.CaptureFixture[str]) -> None:
    out = out_of(capsys, "mul")
    assert "MulBackward0  mul.Tensor(Tensor self, Tensor other) -> Tensor\n    self   grad * other\n" in out
    assert "\nMulBackward1  mul.Scalar(Tensor self, Scalar other) -> Tensor\n" in out
    assert out.endswith("\nmore  gradscope explain MulBackward0\n")


def test_a_function_that_is_made_of_other_ops(capsys: pytest.CaptureFixture[str]) -> None:
    out = out_of(capsys, "nn.CrossEntropyLoss")
    assert out.startswith("nn.CrossEntropyLoss is made of other ops, and its arguments decide")
    assert [
        line.split()[0] for line in out.splitlines() if line[:1].isalpha() and "Backward0" in line[:24]
    ] == [
        "LogSoftmaxBackward0",
        "NllLossBackward0",
        "NllLoss2DBackward0",
    ]
    assert out_of(capsys, "nn.Conv2d").startswith("ConvolutionBackward0\n")


def test_machines_get_the_fields(capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(out_of(capsys, "MulBackward0", "--format", "json"))
    assert found["node"] == "MulBackward0"
    assert found["gradients"][0] == {
        "inputs": ["self"],
        "formula": "mul_tensor_backward(grad, other, self.scalar_type())",
    }
    assert found["saved"][0] == {"what": "self", "kind": "input", "needed_for": ["other"]}
    assert found["math"]["gradients"][1] == {"input": "other", "expression": "grad * self"}
    assert found["torch"] == table().torch
    several = json.loads(out_of(capsys, "mul", "--format", "json"))
    assert [each["node"] for each in several] == ["MulBackward0", "MulBackward1"]


def test_the_lists(capsys: pytest.CaptureFixture[str]) -> None:
    nodes = [line.split()[0] for line in out_of(capsys, "--list", "nodes").splitlines()]
    assert nodes == list(table().nodes)
    some = out_of(capsys, "--list", "gradient").splitlines()
    assert any(line.startswith("GS102 ") for line in some)
    some = out_of(capsys, "--list", "sqrt").splitlines()
    assert [line.split() for line in some][-2:] == [["RsqrtBackward0", "rsqrt"], ["SqrtBackward0", "sqrt"]]
    assert json.loads(out_of(capsys, "--list", "sqrt", "--format", "json"))[-1]["node"] == "SqrtBackward0"
    assert "nothing has zzzz in its name" in error_of(capsys, "--list", "zzzz")


@pytest.mark.parametrize(
    ("name", "guess"),
    [
        ("MulBackwrd0", "did you mean MulBackward0 or MulBackward1?"),
        ("softmx", "did you mean softmax?"),
        ("nn.Conv2dd", "did you mean conv2d?"),
        ("layernom", "did you mean layer_norm?"),
        ("severd-gradient", "did you mean severed-gradient?"),
    ],
)
def test_an_unknown_name(name: str, guess: str, capsys: pytest.CaptureFixture[str]) -> None:
    err = error_of(capsys, name)
    assert guess.split()[3] in err


def test_a_node_of_a_function_needs_its_file(capsys: pytest.CaptureFixture[str]) -> None:
    err = error_of(capsys, "MyOwnThingBackward")
    assert "error: no rule, node or op MyOwnThingBackward" in err
    assert "gradscope explain MyOwnThingBackward FILE.py" in err
    assert "is made of other ops" in error_of(capsys, "torch.fft.hfft")


def test_without_formulas(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise FormulasMissing("torch is not installed", try_next="python -m pip install torch")

    monkeypatch.setattr("gradscope.formulas.table.table", missing)
    err = error_of(capsys, "MulBackward0")
    assert err == "error: torch is not installed\n  try   python -m pip install torch\n"
    assert run(["explain", "GS102"]) == ExitStatus.OK


# ---------------------------------------------------------------- custom Functions


def test_the_source_of_a_function(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, "ops.py", FUNCTION)
    monkeypatch.chdir(tmp_path)
    out = out_of(capsys, "ops.py:Gate")
    assert out.startswith("Gate  torch.autograd.Function, ops.py:6\nleaves the node GateBackward\n")
    assert "\nforward  ops.py:8\n    @staticmethod\n    def forward(ctx, x):\n" in out
    assert "        return grad * y * (1 - y)  # \\x1b[31m red\n" in out
    assert "\x1b" not in out
    assert out.endswith("\nSaved for backward\n    y\n\ncheck  gradscope check ops.py:Gate\n")
    found = json.loads(out_of(capsys, "ops.py:Gate", "--format", "json"))
    assert (found["node"], found["line"], found["path"]) == ("GateBackward", 6, "ops.py")


def test_a_module_is_found_and_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    package = tmp_path / "kernels"
    package.mkdir()
    write(package, "__init__.py", "raise SystemExit('this package must not be imported')\n")
    write(package, "gates.py", FUNCTION)
    monkeypatch.chdir(tmp_path)
    assert out_of(capsys, "kernels.gates:Gate").startswith(
        "Gate  torch.autograd.Function, kernels/gates.py:6\n"
    )
    assert "no Python file" in error_of(capsys, "kernels.nothing:Gate")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("ops.py", "error: say which function of ops.py\n  try   gradscope explain ops.py:Gate\n"),
        (
            "ops.py:Gat",
            "error: ops.py has no torch.autograd.Function and no custom op Gat; did you mean\n  Gate?",
        ),
        ("ops.py:Net", "ops.py has no torch.autograd.Function and no custom op Net"),
        ("none.py:Gate", "no such file: none.py"),
        ("__main__:Gate", "__main__"),
        ("bad.py:Gate", "bad.py is not valid Python, line 1"),
        ("plain.py:Gate", "plain.py defines no torch.autograd.Function and no custom op"),
        ("plain.py", "plain.py defines no torch.autograd.Function and no custom op"),
    ],
)
def test_what_cannot_be_shown(
    name: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, "ops.py", FUNCTION)
    write(tmp_path, "bad.py", "class Gate(:\n")
    write(tmp_path, "plain.py", "x = 1\n")
    monkeypatch.chdir(tmp_path)
    assert words in error_of(capsys, name)
