"""`gradscope memory`: what is told of a model, of a script, on fake tensors, and what is refused."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gradscope.cli import run
from gradscope.exits import ExitStatus
from tests.cli.running import write

MODEL = """
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.up, self.down = nn.Linear(16, 64), nn.Linear(64, 16)
        def forward(self, x):
            return x + self.down(torch.tanh(self.up(x)))

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.blocks = nn.ModuleList(Block() for _ in range(4))
        def forward(self, x):
            for block in self.blocks:
                x = block(x)
            return x.square().mean()
"""
SCRIPT = """
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(16, 64), nn.GELU(), nn.Linear(64, 1))
    optimizer = torch.optim.Adam(model.parameters())
    for step in range(2):
        optimizer.zero_grad()
        model(torch.randn(32, 16)).square().mean().backward()
        optimizer.step()
    print("scored", model(torch.randn(32, 16)).shape)
"""
BROKEN = """
    import torch

    weight = torch.ones(4, requires_grad=True)
    y = weight.exp()
    y.add_(1)
    y.sum().backward()
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    argv, path = list(sys.argv), list(sys.path)
    write(tmp_path, "model.py", MODEL)
    write(tmp_path, "train.py", SCRIPT)
    yield tmp_path
    sys.argv[:], sys.path[:] = argv, path


def measured(*words: str, status: int = ExitStatus.OK) -> dict[str, Any]:
    """The JSON of a run."""
    assert run(["memory", *words, "-o", "report.json"]) == status
    report: dict[str, Any] = json.loads(Path("report.json").read_text(encoding="utf-8"))
    return report


MODEL_WORDS = ("model.py:Net", "--input", "randn(256,16)")


def test_strategies_stand_side_by_side(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["memory", *MODEL_WORDS]) == ExitStatus.OK
    captured = capfd.readouterr()
    lines = captured.out.splitlines()
    assert max(map(len, lines)) <= 80
    (header,) = [line for line in lines if line.startswith("checkpointing")]
    assert header.split() == ["checkpointing", "peak", "saved", "step", "redone", "gradients"]
    for name in ("no checkpointing", "every block", "every second block", "selective"):
        assert any(line.startswith(name) for line in lines), name
    assert "use_reentrant=False" in captured.out
    assert captured.err == ""


def test_the_plan_keeps_to_its_budget() -> None:
    memory = measured(*MODEL_WORDS, "--budget", "70%")["memory"]
    plain, *others = memory["strategies"]
    (plan,) = [each for each in others if each["kind"] == "plan"]
    assert memory["plan"]["budget"] == int(0.7 * plain["peak"])
    assert plan["peak"] <= memory["plan"]["budget"]
    assert plan["gradients"] == "identical"
    assert abs(plan["predicted_peak"] - plan["peak"]) <= 0.02 * plan["peak"]
    compile(memory["code"], "code", "exec")


def test_a_budget_that_nothing_fits_in(capfd: pytest.CaptureFixture[str]) -> None:
    report = measured(*MODEL_WORDS, "--budget", "0", status=ExitStatus.FINDINGS)
    plan = report["memory"]["plan"]
    assert plan["strategy"] is None
    assert plan["floor"] > 0
    assert sum(plan["floor_kinds"].values()) == pytest.approx(plan["floor"], rel=0.02)
    assert run(["memory", *MODEL_WORDS, "--budget", "1KiB"]) == ExitStatus.FINDINGS
    assert "no plan fits in 1 KiB" in capfd.readouterr().out


def test_fake_tensors_give_the_same_bytes() -> None:
    real = measured(*MODEL_WORDS)["memory"]
    fake = measured(*MODEL_WORDS, "--fake")["memory"]
    assert fake["is_fake"]
    assert not real["is_fake"]
    for kind in ("parameters", "gradients", "saved"):
        assert fake[kind] == real[kind]
    generators = 5056 * 4  # each checkpoint of a real block keeps the state of the CPU's generator
    for one, other in zip(real["strategies"], fake["strategies"], strict=True):
        assert 0 <= one["peak"] - other["peak"] <= generators
    assert {each["gradients"] for each in fake["strategies"]} == {"not compared"}


def test_a_script_is_run_once_and_its_unused_graph_told() -> None:
    report = measured("train.py")
    memory = report["memory"]
    assert report["steps"] == 2
    assert memory["optimizer"] == "Adam"
    assert memory["optimizer_state"] >= 2 * memory["parameters"]
    (unused,) = memory["unused"]
    assert unused["location"]["line"] == 11
    assert unused["bytes"] >= 2 * 32 * 64 * 4
    assert "run once" in memory["not_compared"]


def test_an_inplace_change_still_fails_here(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write(folder, "broken.py", BROKEN)
    assert run(["memory", "broken.py"]) == ExitStatus.FINDINGS
    assert "GS201" in capfd.readouterr().out


def test_the_optimizer_of_a_model() -> None:
    memory = measured(*MODEL_WORDS, "--optimizer", "adamw", "--no-compare")["memory"]
    assert memory["optimizer"] == "AdamW"
    assert memory["optimizer_state"] >= 2 * memory["parameters"]
    assert memory["strategies"] == []


def test_a_sweep() -> None:
    sweep = measured(*MODEL_WORDS, "--sweep", "depth=1,4,8")["memory"]["sweep"]
    assert [point["value"] for point in sweep["points"]] == [1, 4, 8]
    assert sweep["current"] == 4
    plain = [point["plain"] for point in sweep["points"]]
    assert plain == sorted(plain)
    assert all(point["checkpointed"] < point["plain"] for point in sweep["points"][1:])


@pytest.mark.parametrize(
    ("name", "begins"), [("m.html", b"<!DOCTYPE html>"), ("m.json", b"{"), ("m.txt", b"")]
)
def test_the_ending_of_the_file_names_the_format(
    name: str, begins: bytes, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["memory", *MODEL_WORDS, "--no-compare", "-o", name]) == ExitStatus.OK
    written = (folder / name).read_bytes()
    assert written.startswith(begins)
    assert len(written) > 500
    captured = capfd.readouterr()
    assert captured.out == ""
    assert captured.err == f"gradscope: no findings; the report is in {name}\n"


def test_a_page_that_is_redacted_says_nothing_of_the_program(folder: Path) -> None:
    assert run(["memory", *MODEL_WORDS, "--no-compare", "--redact", "-o", "m.html"]) == ExitStatus.OK
    page = (folder / "m.html").read_text(encoding="utf-8")
    assert "x = block(x)" not in page
    assert "torch.tanh(" not in page
    assert str(folder) not in page


def test_the_timeline_is_a_trace_of_counters(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["memory", *MODEL_WORDS, "--no-compare", "--timeline", "t.json"]) == ExitStatus.OK
    events = json.loads((folder / "t.json").read_text(encoding="ascii"))["traceEvents"]
    assert {event["ph"] for event in events} >= {"C", "M", "X"}
    assert "the memory over time is in t.json; open it at ui.perfetto.dev" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["--budget", "lots"], "--budget lots is not an amount of memory"),
        (["--sweep", "dept"], "did you mean depth"),
        (["--blocks", "blok*"], "blok*"),
        (["--no-compare", "--budget", "1GiB"], "--no-compare leaves out what --budget"),
        (["--timeline", "-"], "--timeline needs the name of a file"),
        (["-o", "a.json", "--timeline", "a.json"], "also the report's file"),
        (["--format", "svg"], "no format svg"),
        (["--optimizer", "adan"], "adam"),
    ],
)
def test_what_is_refused(words: list[str], what: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["memory", *MODEL_WORDS, *words]) == ExitStatus.USAGE
    captured = capfd.readouterr()
    assert what in captured.err
    assert captured.out == ""


@pytest.mark.parametrize(
    "words", [["--fake"], ["--budget", "50%"], ["--sweep", "batch"], ["--blocks", "h.*"]]
)
def test_what_needs_a_model(words: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["memory", "train.py", *words]) == ExitStatus.USAGE
    captured = capfd.readouterr()
    assert f"{words[0]} needs a model" in captured.err
    assert captured.out == ""


def test_a_model_that_fails_is_no_script(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write(folder, "meta.py", "import torch\ndef build():\n    return torch.nn.Linear(2, 2, device='meta')\n")
    assert run(["memory", "meta.py:build", "--input", "randn(3,2)"]) == ExitStatus.USAGE
    assert "has parameters on the meta device" in capfd.readouterr().err
    write(folder, "broken_build.py", "def build():\n    raise ValueError('mine')\n")
    assert run(["memory", "broken_build.py:build"]) == ExitStatus.PROGRAM_FAILED
    assert "a script is run once" not in capfd.readouterr().out


def test_a_model_that_does_not_run_again(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write(
        folder,
        "twice.py",
        """
        from model import Net as Once

        class Net(Once):
            runs = 0
            def forward(self, x):
                Net.runs += 1
                if Net.runs > 3:
                    raise ValueError("only three times")
                return super().forward(x)
        """,
    )
    memory = measured("twice.py:Net", "--input", "randn(256,16)")["memory"]
    assert memory["not_compared"] == "run again, the program raises ValueError: only three times"
    assert memory["saved"] > 0
    assert capfd.readouterr().err == "gradscope: no findings; the report is in report.json\n"


def test_a_plan_that_was_measured_already_keeps_its_figures() -> None:
    memory = measured(*MODEL_WORDS, "--budget", "100%")["memory"]
    plain, plan = memory["strategies"][0], memory["strategies"][-1]
    assert plan["kind"] == "plan"
    assert [plan[each] for each in ("peak", "time_ratio")] == [plain[each] for each in ("peak", "time_ratio")]


def test_what_the_program_raises_is_told(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write(folder, "raising.py", "import torch\nx = torch.ones(2)\nraise ValueError('mine')\n")
    assert run(["memory", "raising.py"]) == ExitStatus.PROGRAM_FAILED
    assert "ValueError: mine" in capfd.readouterr().out


def test_ctrl_c_while_comparing_keeps_the_first_run(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from gradscope import memory_measuring

    def stopped(*_arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(memory_measuring, "compared", stopped)
    assert run(["memory", *MODEL_WORDS]) == ExitStatus.INTERRUPTED
    shown = capfd.readouterr().out
    assert shown.startswith("model.py:Net on the CPU")
    assert "not compared  interrupted" in shown
