"""`gradscope explain NODE TARGET`: where a node occurs in a program that is run."""

from __future__ import annotations

import json
from pathlib import Path

from gradscope.exits import ExitStatus
from tests.cli.running import gradscope, write

OPS = """
    import torch


    class Gate(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            y = torch.sigmoid(x)
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx, grad):
            (y,) = ctx.saved_tensors
            return grad * y * (1 - y)
    """

TRAIN = """
    import torch
    from torch import nn

    from gates import Gate


    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(3, 3)

        def forward(self, x):
            return x + Gate.apply(self.fc(x)) * 0.5


    net = nn.Sequential(Block(), Block())
    print("training")
    for _ in range(2):
        out = net(torch.ones(2, 3))
        (out * out).sum().backward()
    """


def program(folder: Path) -> None:
    write(folder, "gates.py", OPS)
    write(folder, "train.py", TRAIN)


def test_the_lines_of_an_op(tmp_path: Path) -> None:
    program(tmp_path)
    ran = gradscope("explain", "MulBackward0", "train.py", cwd=tmp_path, fresh=True)
    assert ran.status == ExitStatus.OK, ran.err
    assert ran.out.startswith("training\nMulBackward0\nmul.Tensor(")
    used = ran.out[ran.out.index("Used in train.py") :].splitlines()
    assert used[0] == "Used in train.py  3 of the 16 nodes of backward 1 at train.py:20"
    assert [line.split()[:4] for line in used[1:3]] == [
        ["2x", "train.py:13", "2x3", "Gate.apply(self.fc(x))"],
        ["1x", "train.py:20", "2x3", "out"],
    ]
    assert used[1].endswith("in net.0 and 1 more")
    assert len(used) == 3


def test_a_function_of_another_file(tmp_path: Path) -> None:
    program(tmp_path)
    ran = gradscope("explain", "GateBackward", "train.py", "--format", "json", cwd=tmp_path)
    assert ran.status == ExitStatus.OK, ran.err
    assert "training" in ran.err
    found = json.loads(ran.out)
    assert found["explained"]["name"] == "Gate"
    assert Path(found["explained"]["path"]).name == "gates.py"
    [use] = found["uses"]
    assert (use["node"], use["count"], use["modules"]) == ("GateBackward", 2, ["net.0", "net.1"])
    assert found["backward"] == 1


def test_a_function_of_the_program_comes_before_torchs_op(tmp_path: Path) -> None:
    write(tmp_path, "soft.py", OPS.replace("Gate", "Softmax"))
    text = (tmp_path / "soft.py").read_text(encoding="utf-8")
    ran_in = f"{text}\n\nSoftmax.apply(torch.ones(2, requires_grad=True)).sum().backward()\n"
    (tmp_path / "soft.py").write_text(ran_in, encoding="utf-8")
    ran = gradscope("explain", "SoftmaxBackward", "soft.py", cwd=tmp_path)
    assert ran.out.startswith("Softmax  torch.autograd.Function, soft.py:4\n")
    assert "    1x  soft.py:17  2  Softmax.apply(" in ran.out


def test_a_file_of_functions_that_runs_nothing(tmp_path: Path) -> None:
    program(tmp_path)
    ran = gradscope("explain", "GateBackward", "gates.py", cwd=tmp_path)
    assert ran.status == ExitStatus.OK, ran.err
    assert ran.out.startswith("Gate  torch.autograd.Function, gates.py:4\n")
    assert ran.out.endswith("\nUsed in gates.py  it ran no backward, so there are no lines to list\n")


def test_leaves_and_what_is_not_there(tmp_path: Path) -> None:
    program(tmp_path)
    ran = gradscope("explain", "AccumulateGrad", "train.py", "--backward", "2", cwd=tmp_path)
    assert (
        "4 of the 16 nodes of backward 2 at train.py:20\n    2x  leaf  3x3  0.fc.weight and 1 more\n"
        in ran.out
    )
    ran = gradscope("explain", "ExpBackward0", "train.py", cwd=tmp_path)
    assert ran.status == ExitStatus.OK
    assert ran.out.endswith("\nUsed in train.py  none of the 16 nodes of backward 1 at train.py:20\n")


def test_what_cannot_be_looked_at(tmp_path: Path) -> None:
    program(tmp_path)
    write(tmp_path, "plain.py", "print(1)\n")
    ran = gradscope("explain", "Gat", "train.py", cwd=tmp_path)
    assert ran.status == ExitStatus.USAGE
    assert "no rule, node or op Gat; did you mean Gate" in ran.err
    ran = gradscope("explain", "mul", "plain.py", cwd=tmp_path)
    assert ran.status == ExitStatus.USAGE
    assert "plain.py ran no backward, so there is no graph to look for nodes in" in ran.err
    ran = gradscope("explain", "mul", "train.py", "--backward", "3", cwd=tmp_path)
    assert ran.status == ExitStatus.USAGE
    assert "--backward 3: only 2 backwards were run\n  try   --backward 2\n" in ran.err
    ran = gradscope("explain", "GS102", "train.py", cwd=tmp_path)
    assert ran.status == ExitStatus.USAGE
    assert "GS102 is a rule" in ran.err


def test_a_name_that_the_file_lacks_advises_explain(tmp_path: Path) -> None:
    program(tmp_path)
    ran = gradscope("explain", "MulBackward0", "gates.py:Gaet", cwd=tmp_path)
    assert ran.status == ExitStatus.USAGE
    assert "gradscope explain MulBackward0 gates.py:Gate" in ran.err


def test_a_program_that_fails_afterwards(tmp_path: Path) -> None:
    program(tmp_path)
    text = (tmp_path / "train.py").read_text(encoding="utf-8")
    (tmp_path / "train.py").write_text(f"{text}\nraise ValueError('too late')\n", encoding="utf-8")
    ran = gradscope("explain", "mul", "train.py", cwd=tmp_path)
    assert ran.status == ExitStatus.PROGRAM_FAILED
    assert "ValueError: too late" in ran.err
    assert "Used in train.py" in ran.out
