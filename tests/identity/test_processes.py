"""`gradscope trace` of whole programs, in processes of their own: the program's output is its own.

Only what a process of its own can show is run here (worker processes, the program's stdout, the exit
status, the JSON report); the other programs are run in `test_programs.py`.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.started import python

from .running import PROGRAMS, difference

COMMANDS = [
    ["data_workers.py", "fork"],
    ["data_workers.py", "spawn"],
    ["threads.py"],
    ["compiled.py", "aot_eager"],
    ["train_loop.py", "gpt2"],
    ["train_by_trainer.py", "llama"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_trace_leaves_the_program_alone(command, tmp_path):
    if command[-1] == "fork" and not hasattr(os, "fork"):
        pytest.skip("this platform has no fork")
    script, *arguments = command
    target = str(PROGRAMS / script)
    report_file = tmp_path / "report.json"
    options = ["--format", "json", "--output", str(report_file)]
    plain = python([target, *arguments], cwd=Path.cwd())
    words = ["-m", "gradscope", "trace", target, *options, "--", *arguments]
    traced = python(words, cwd=Path.cwd())

    assert plain.returncode == 0, plain.stderr
    assert traced.returncode == 0, traced.stderr
    assert plain.stdout == traced.stdout, difference(plain.stdout, traced.stdout)
    report = json.loads(report_file.read_text(encoding="utf-8"))
    findings = [f"{f['code']} {f['location']}: {f['message']}" for f in report["findings"]]
    assert not findings, "\n".join(findings)
    assert report["backwards"], "no backward was seen"
    assert report["parameters"], "no parameter was seen"
    if script == "compiled.py":
        assert any("compile" in sentence for sentence in report["not_seen"]), report["not_seen"]
