"""A target of a gate asks for the same as the command that it names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from gradscope import checking, cli, memory_measuring, tracing
from gradscope.errors import TargetError, UsageError
from gradscope.gating.processes.measuring import prepared
from gradscope.gating.settings import GateTarget
from gradscope.loader.options import Options
from tests.gating.targets import target

MODEL = "from torch import nn\nclass Net(nn.Linear):\n    pass\n"
OPS = """
import sys
import torch
class Double(torch.autograd.Function):
    pass
if __name__ == "__main__":
    print(sys.argv)
"""
MEASURES = {
    "trace": (tracing, "trace_target"),
    "check": (checking, "check_target"),
    "memory": (memory_measuring, "measure_target"),
}
RUN = Options(inputs=("randn(2)",), loss="sum", device="cpu", dtype="float64", seed=3, steps=2)
RUN_WORDS = ["--input", "randn(2)", "--loss", "sum", "--device", "cpu", "--dtype", "float64", "--steps", "2"]
CASES = [
    (["trace", "train.py", "--seed", "0", "--", "--epochs", "1"], {"arguments": ("--epochs", "1")}),
    (
        ["trace", "-m", "pack.train", "--seed", "0", "--", "-x"],
        {"target": "-m pack.train", "arguments": ("-x",)},
    ),
    (["trace", "model.py:Net", "--seed", "3", *RUN_WORDS], {"target": "model.py:Net", "options": RUN}),
    (["trace", "train.py"], {"options": Options()}),
    (["check", "ops.py", "--seed", "0"], {"target": "ops.py"}),
    (["check", "ops.py:Double", "--seed", "0", "--", "1"], {"target": "ops.py:Double", "arguments": ("1",)}),
    (["check", "ops.py", "--seed", "0", "--no-run"], {"target": "ops.py", "no_run": True}),
    (["check", "pack.train", "--seed", "0"], {"target": "pack.train"}),
    (
        ["check", "ops.py", "--seed", "0", "--capture", "train.py", "--time-limit", "0.5", "--", "-x"],
        {"target": "ops.py", "capture": "train.py", "check_time_limit": 0.5, "arguments": ("-x",)},
    ),
    (
        ["check", "ops.py:Double", "--seed", "3", "--input", "randn(2)", "--against", "slope"],
        {"target": "ops.py:Double", "against": "slope", "options": Options(inputs=("randn(2)",), seed=3)},
    ),
    (["memory", "model.py:Net", "--seed", "0", "--no-compare"], {"target": "model.py:Net"}),
    (
        ["memory", "model.py:Net", "--seed", "0", "--budget", "50%", "--blocks", "h.*", "--fake"],
        {"target": "model.py:Net", "budget": "50%", "blocks": ("h.*",), "fake": True},
    ),
]


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What measures is asked, in a folder with a program, a model and custom functions."""
    for name, text in {"train": "print(1)\n", "model": MODEL, "ops": OPS}.items():
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    (tmp_path / "pack").mkdir()
    for name in ("__init__", "train"):
        (tmp_path / "pack" / f"{name}.py").touch()
    monkeypatch.chdir(tmp_path)
    found: list[tuple[Any, ...]] = []

    def stop(*given: Any) -> None:
        found.append(tuple(each for each in given if not callable(each)))
        raise UsageError("far enough")

    for module, name in MEASURES.values():
        monkeypatch.setattr(module, name, stop)
    return found


@pytest.mark.parametrize(
    ("words", "values"), CASES, ids=lambda each: " ".join(each) if isinstance(each, list) else ""
)
def test_the_same_is_measured_as_by_the_command(
    asked: list[tuple[Any, ...]], tmp_path: Path, words: Sequence[str], values: dict[str, Any]
) -> None:
    assert cli.run(list(words)) == 2
    with pytest.raises(UsageError, match="far enough"):
        prepared(of(tmp_path, command=words[0], **values), lambda _stage: None)()
    of_command, of_gate = asked
    assert of_gate == of_command


def of(folder: Path, **values: Any) -> GateTarget:
    return target(folder, "one", None, **{"target": "train.py", **values})


@pytest.mark.parametrize(
    ("values", "what"),
    [
        ({"target": "trian.py"}, "no such file: trian.py"),
        ({"command": "memory", "target": "model.py:Net", "budget": "lots"}, "--budget lots"),
        ({"command": "check", "target": "ops.py", "capture": "no.py"}, "no such file: no.py"),
        ({"command": "check", "target": "ops.py:Double", "against": "3x"}, "--against"),
        (
            {"command": "check", "target": "ops.py", "no_run": True, "arguments": ("-x",)},
            "given to no program",
        ),
    ],
)
def test_a_mistake_is_told_before_anything_is_run(
    asked: list[tuple[Any, ...]], tmp_path: Path, values: dict[str, Any], what: str
) -> None:
    with pytest.raises((TargetError, UsageError), match=what):
        prepared(of(tmp_path, **values), lambda _stage: None)
    assert not asked
