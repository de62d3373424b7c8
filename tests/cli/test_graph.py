"""`gradscope graph`: which backward is drawn, in which format, where it goes, and what is refused."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gradscope.cli import run
from gradscope.exits import ExitStatus
from tests.cli.running import gradscope, write

SCRIPT = """
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for step in range(3):
        loss = model(torch.randn(5, 4)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print("trained")
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    argv, path = list(sys.argv), list(sys.path)
    write(tmp_path, "train.py", SCRIPT)
    yield tmp_path
    sys.argv[:], sys.path[:] = argv, path


def test_a_tree_is_shown_after_what_the_program_prints(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["graph", "train.py"]) == ExitStatus.OK
    captured = capfd.readouterr()
    assert captured.out.startswith("trained\n")
    assert "model" in captured.out
    assert captured.err == ""
    assert max(map(len, captured.out.splitlines())) <= 80


@pytest.mark.parametrize(
    ("name", "begins"),
    [
        ("g.dot", b"digraph"),
        ("g.gv", b"digraph"),
        ("g.html", b"<!doctype html>"),
        ("g.json", b"{"),
        ("g.mmd", b""),
        ("g.txt", b""),
    ],
)
def test_the_ending_of_the_file_is_the_format(
    folder: Path, capfd: pytest.CaptureFixture[str], name: str, begins: bytes
) -> None:
    assert run(["graph", "train.py", "-o", name]) == ExitStatus.OK
    captured = capfd.readouterr()
    assert captured.out == "trained\n"
    assert name in captured.err
    content = (folder / name).read_bytes()
    assert content.lower().startswith(begins)
    assert b"Addmm" in content or b"addmm" in content or b"Linear" in content


def test_a_machine_format_without_a_file_has_stdout_to_itself(folder: Path) -> None:
    words = ("graph", "train.py", "--format", "json", "--backward", "3")
    ran = gradscope(*words, cwd=folder, fresh=True)
    assert ran.status == ExitStatus.OK
    report = json.loads(ran.out)
    assert report["command"] == "graph"
    assert report["graph"]["number"] == 3
    assert len(report["graph"]["nodes"]) == 11
    assert "trained" in ran.err


def test_dot_on_stdout(folder: Path) -> None:
    ran = gradscope("graph", "train.py", "--format", "dot", cwd=folder)
    assert ran.status == ExitStatus.OK
    assert ran.out.startswith("digraph")
    assert ran.out.endswith("}\n")
    assert "11 nodes" in ran.err


def test_model_explorer_writes_two_files(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["graph", "train.py", "--format", "model-explorer", "-o", "g.json"]) == ExitStatus.OK
    assert sorted(path.name for path in folder.glob("g*")) == ["g.json", "g_gradients.json"]
    assert "g.json and g_gradients.json" in capfd.readouterr().err


def test_a_backward_that_was_not_run(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["graph", "train.py", "--backward", "4", "-o", "g.dot"]) == ExitStatus.USAGE
    err = capfd.readouterr().err
    assert "--backward 4: only 3 backward passes were run, so there is no graph of it" in err
    assert "try   --backward 3" in err
    assert not Path("g.dot").exists()


def test_a_program_without_a_backward(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write(folder, "forward.py", "import torch\nprint(torch.ones(3).sum())\n")
    for words in (["-o", "g.dot"], []):
        assert run(["graph", "forward.py", *words]) == ExitStatus.USAGE
        captured = capfd.readouterr()
        assert "no backward was run, so there is no graph" in captured.out + captured.err
    assert not (folder / "g.dot").exists()


def test_a_program_that_fails_after_the_backward_is_drawn(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write(folder, "fails.py", SCRIPT.replace('print("trained")', 'raise ValueError("afterwards")'))
    assert run(["graph", "fails.py", "-o", "g.dot"]) == ExitStatus.PROGRAM_FAILED
    assert "ValueError: afterwards" in capfd.readouterr().err
    assert (folder / "g.dot").exists()


def test_a_module_target(folder: Path) -> None:
    write(
        folder,
        "net.py",
        """
        from torch import nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.linear = nn.Linear(6, 6)
            def forward(self, x):
                return self.linear(x).relu()
        """,
    )
    words = ["graph", "net.py:Net", "--input", "randn(4, 6)", "--device", "cpu", "-o", "g.json"]
    assert run(words) == ExitStatus.OK
    names = [node["name"] for node in json.loads((folder / "g.json").read_text())["graph"]["nodes"]]
    assert "ReluBackward0" in names


def test_a_finding_is_counted_and_decides_where_it_is_asked(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write(
        folder,
        "cut.py",
        SCRIPT.replace("model(torch.randn(5, 4))", "model[2](model[0](torch.randn(5, 4)).detach())"),
    )
    assert run(["graph", "cut.py", "-o", "g.dot"]) == ExitStatus.OK
    assert "1 finding" in capfd.readouterr().err
    assert "GS102" in (folder / "g.dot").read_text(encoding="utf-8")
    assert run(["graph", "cut.py", "-o", "g.dot", "--fail-on", "error"]) == ExitStatus.FINDINGS


@pytest.mark.parametrize(
    ("words", "what", "advice"),
    [
        (["-o", "g.xyz"], "--output g.xyz: its ending names no format", "--output graph.svg"),
        (["--format", "svgg"], "no format svgg; did you mean svg?", "--format "),
        (["--depth", "two"], "--depth must be a whole number, auto or all, not two", ""),
        (["--around", "line"], "--around line is no line", "--around train.py:41"),
        (["--colour", "red"], "--colour cannot be red", "gradient, time, bytes or none"),
        (["--backward", "0"], "--backward must be a whole number from 1 up, not 0", ""),
        (
            ["--style", "torchviz", "-o", "g.html"],
            "--style torchviz is drawn by Graphviz, not as html",
            "graph.svg",
        ),
        (["-o", "nowhere/g.dot"], "--output nowhere/g.dot: there is no folder nowhere", ""),
    ],
)
def test_what_is_mistyped_is_said_before_the_program_runs(
    capfd: pytest.CaptureFixture[str], words: list[str], what: str, advice: str
) -> None:
    assert run(["graph", "train.py", *words]) == ExitStatus.USAGE
    captured = capfd.readouterr()
    assert captured.out == ""
    assert what in captured.err
    assert advice in captured.err


def test_a_missing_file_advises_graph(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["graph", "trian.py"]) == ExitStatus.USAGE
    err = capfd.readouterr().err
    assert "gradscope graph train.py" in err


def test_a_name_that_the_file_lacks_advises_graph(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write(folder, "net.py", "from torch import nn\nclass Tagger(nn.Linear): pass\n")
    assert run(["graph", "net.py:Taggr"]) == ExitStatus.USAGE
    assert "gradscope graph net.py:Tagger" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["--path", "0.wieght"], "0.weight"),
        (["--around", "train.py:999"], "999"),
    ],
)
def test_what_the_graph_does_not_have_names_what_it_has(
    capfd: pytest.CaptureFixture[str], words: list[str], what: str
) -> None:
    assert run(["graph", "train.py", "-o", "g.dot", *words]) == ExitStatus.USAGE
    assert what in capfd.readouterr().err
    assert not Path("g.dot").exists()


def test_no_absolute_path_no_source_and_no_value_in_a_redacted_picture(folder: Path) -> None:
    for name in ("g.dot", "g.html", "g.mmd", "g.json"):
        assert run(["graph", "train.py", "-o", name, "--redact"]) == ExitStatus.OK
        text = (folder / name).read_text(encoding="utf-8")
        assert str(folder) not in text
        assert "randn(5, 4)" not in text
