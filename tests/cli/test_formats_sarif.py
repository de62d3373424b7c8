"""The formats for servers and editors, through the command line."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.reporters.sarif_logs import checked, flow, line

from .running import gradscope, write

EXAMPLES = Path(__file__).parents[2] / "examples"

LAYER = """
    import torch


    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, grad):
            (x,) = ctx.saved_tensors
            return grad * x


    def gradscope_inputs():
        return (torch.randn(3, dtype=torch.float64, requires_grad=True),)
"""

NET = """
    import torch
    from torch import nn

    torch.manual_seed(0)
    net = nn.Linear(4, 2)
    print("by the program")
    net(torch.randn(3, 4)).pow(2).mean().backward()
"""


@pytest.fixture
def severed(tmp_path: Path) -> Path:
    text = (EXAMPLES / "severed.py").read_text(encoding="utf-8")
    return write(tmp_path, "severed.py", text)


def test_trace_writes_a_sarif_log_with_the_way_of_the_value(severed: Path) -> None:
    done = gradscope("trace", severed.name, "--format", "sarif", cwd=severed.parent)
    assert done.status == 1
    (run,) = checked(done.out)["runs"]
    (result,) = run["results"]
    (place,) = result["locations"]
    source = severed.read_text(encoding="utf-8").split("\n")
    assert place["physicalLocation"]["artifactLocation"]["uri"] == "severed.py"
    assert "detach()" in source[line(place) - 1]
    came, led = (flow(each) for each in result["codeFlows"])
    assert came[0][1].startswith("encoder.")
    assert [text for _, text in came[1:]] == ["linear", "the gradient stops here"]
    assert [text for _, text in led[-2:]] == ["mse_loss", "backward"]
    assert "loss.backward()" in source[led[-1][0] - 1]
    assert run["invocations"][0]["exitCode"] == 1
    assert run["invocations"][0]["workingDirectory"]["uri"].startswith("file://")


def test_the_ending_of_the_file_means_the_format(severed: Path) -> None:
    done = gradscope("trace", severed.name, "--output", "found.sarif", "--redact", cwd=severed.parent)
    assert (done.status, done.out.count("loss")) == (1, 5)
    text = (severed.parent / "found.sarif").read_text(encoding="utf-8")
    (run,) = checked(text)["runs"]
    assert [each["ruleId"] for each in run["results"]] == ["GS102"]
    assert str(severed.parent) not in text


def test_check_and_memory_write_sarif_logs(tmp_path: Path) -> None:
    layer, net = write(tmp_path, "layer.py", LAYER), write(tmp_path, "net.py", NET)
    done = gradscope("check", layer.name, "--format", "sarif", cwd=tmp_path)
    (run,) = checked(done.out)["runs"]
    assert (done.status, [each["ruleId"] for each in run["results"]]) == (1, ["GS601"])
    done = gradscope("memory", net.name, "--format", "sarif", cwd=tmp_path)
    (run,) = checked(done.out)["runs"]
    assert (done.status, run["results"]) == (0, [])
    assert "by the program" in done.err


def test_gitlab_and_concise_have_stdout_to_themselves(severed: Path) -> None:
    done = gradscope("trace", severed.name, "--format", "gitlab", cwd=severed.parent)
    (entry,) = json.loads(done.out)
    assert (done.status, entry["check_name"], entry["location"]["path"]) == (1, "GS102", "severed.py")
    done = gradscope("trace", severed.name, "--format", "concise", cwd=severed.parent)
    assert re.fullmatch(
        r"severed\.py:\d+:\d+: GS102 encoder\.\* \(4 parameters\) gets no gradient: .*\n", done.out
    )
    assert "gradscope: 1 finding" in done.err


def test_a_healthy_program_and_one_without_a_backward(tmp_path: Path) -> None:
    write(tmp_path, "net.py", NET)
    assert gradscope("trace", "net.py", "--format", "concise", cwd=tmp_path).out == ""
    write(tmp_path, "idle.py", "x = 1\n")
    done = gradscope("trace", "idle.py", "--format", "concise", cwd=tmp_path)
    assert done.status == 2
    assert re.fullmatch(r"idle\.py:1:1: error: .*\n", done.out)
