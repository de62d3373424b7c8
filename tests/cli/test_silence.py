"""Silencing findings: configurations and baselines, as a project lives with them."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from gradscope.cli import run
from gradscope.commands._baselines import Baselines, prepare
from gradscope.config import Config
from gradscope.exits import ExitStatus
from gradscope.facts import Recording
from gradscope.finding import Finding, Location, Severity
from gradscope.loader.target import Kind, Target
from tests.cli.running import gradscope, write

SEVERED = """
    import torch
    from torch import nn

    torch.manual_seed(0)
    first, second = nn.Linear(3, 4), nn.Linear(4, 1)
    optimizer = torch.optim.SGD([*first.parameters(), *second.parameters()], lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        loss = second(first(torch.randn(8, 3)).detach()).pow(2).mean()
        loss.backward()
        optimizer.step()
"""
UNUSED = """
    import torch
    from torch import nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.used = nn.Linear(3, 1)
            self.spare = nn.Linear(3, 1)

        def forward(self, x):
            return self.used(x)

    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        net(torch.ones(3)).sum().backward()
        optimizer.step()
"""
HEALTHY = "import torch\n(torch.ones(3, requires_grad=True) * 2).sum().backward()\n"


def said(err: str) -> str:
    return " ".join(err.split())


# ---------------------------------------------------------------- the configuration


def test_the_configuration_of_the_scripts_folder_is_in_force(tmp_path: Path) -> None:
    """From another folder, and though the program leaves it and rewrites its configuration."""
    project = tmp_path / "project"
    (project / "legacy").mkdir(parents=True)
    meddling = """
    import os, pathlib
    pathlib.Path(__file__).with_name("pyproject.toml").write_text("[tool.gradscope]\\nbroken = 1")
    os.chdir("/")
    """
    write(project / "legacy", "train.py", SEVERED + meddling)
    config = '[tool.gradscope.per-file-ignores]\n"legacy/*" = ["severed-gradient"]\n'
    (project / "pyproject.toml").write_text(config, encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text("[tool.gradscope]\nbroken = 1", encoding="utf-8")
    ran = gradscope("trace", "project/legacy/train.py", cwd=tmp_path)
    assert ran.status == 0
    by = f'per-file-ignores "legacy/*" in {os.path.join("project", "pyproject.toml")}'
    assert f"GS102 severed-gradient at project/legacy/train.py:9, by {by}" in said(ran.err)
    assert "no findings · 2 steps · 2 backwards watched · 1 silenced" in said(ran.err)


def test_json_tells_by_what_each_was_silenced(tmp_path: Path) -> None:
    write(tmp_path, "train.py", SEVERED)
    (tmp_path / "pyproject.toml").write_text('[tool.gradscope]\nignore = ["GS102"]', encoding="utf-8")
    ran = gradscope("trace", "-m", "train", "--format", "json", cwd=tmp_path)
    assert ran.status == 0
    report = json.loads(ran.out)
    assert [(each["code"], each["by"]) for each in report["suppressed"]] == [
        ("GS102", "ignore in pyproject.toml")
    ]


def test_the_command_line_comes_first(tmp_path: Path) -> None:
    write(tmp_path, "train.py", UNUSED)
    (tmp_path / "pyproject.toml").write_text(
        '[tool.gradscope]\nignore = ["GS103"]\nfail-on = "warning"\n', encoding="utf-8"
    )
    shown = gradscope("trace", "train.py", "--select", "GS103", cwd=tmp_path)
    assert (shown.status, shown.err[:14]) == (1, "warning[GS103]")
    isolated = gradscope("trace", "train.py", "--isolated", cwd=tmp_path)
    assert (isolated.status, isolated.err[:14]) == (0, "warning[GS103]")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--config", "none.toml"], "--config none.toml: no such file"),
        (["--config", "pyproject.toml", "--isolated"], "--config and --isolated contradict each other"),
        ([], "unknown key ingore in [tool.gradscope]; did you mean ignore?"),
        (
            ["--isolated", "--baseline", "none.json"],
            "try gradscope trace train.py --write-baseline none.json",
        ),
        (["--isolated", "--write-baseline", "train.py"], "train.py is not overwritten"),
        (["--isolated", "--write-baseline", "x.json", "--output", "./x.json"], "cannot be both the report"),
        (["--isolated", "--select", "GS1", "--ignore", "GS1"], "nothing would be checked"),
        (["--write-baseline", ""], "--write-baseline is given an empty name"),
        (["--isolated", "--write-baseline", "."], "try --write-baseline ./baseline.json"),
        (["--isolated", "--baselin", "x"], "no such option: --baselin; did you mean --baseline?"),
    ],
)
def test_bad_usage_is_told_before_the_program_runs(
    words: list[str],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "train.py", "raise SystemExit('it ran')")
    write(tmp_path, "pyproject.toml", "[tool.gradscope]\ningore = []")
    assert run(["trace", "train.py", *words]) == ExitStatus.USAGE
    err = capsys.readouterr().err
    assert told in said(err)
    assert "it ran" not in err


def test_a_target_with_an_attribute_is_looked_up_by_its_file_and_a_module_from_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    write(tmp_path / "sub", "model.py", "def loss(): ...")
    write(tmp_path / "sub", "__main__.py", "")
    write(tmp_path / "sub", "pyproject.toml", "[tool.gradscope]\nthere = 1")
    write(tmp_path, "pyproject.toml", "[tool.gradscope]\nhere = 1")
    for words, key in (
        (["sub/model.py:loss"], "there"),
        (["sub/model.py"], "there"),
        (["sub"], "there"),
        (["sub.model:loss"], "here"),
        (["-m", "sub.model"], "here"),
    ):
        assert run(["trace", *words]) == ExitStatus.USAGE
        assert f"unknown key {key}" in capsys.readouterr().err


# ---------------------------------------------------------------- the baseline


def test_the_life_of_a_baseline(tmp_path: Path) -> None:
    write(tmp_path, "train.py", SEVERED)
    config = '[tool.gradscope]\nbaseline = "known.json"\n'
    (tmp_path / "pyproject.toml").write_text(config, encoding="utf-8")

    missing = gradscope("trace", "train.py", cwd=tmp_path)
    assert missing.status == 2
    assert "try gradscope trace train.py --write-baseline known.json" in said(missing.err)

    first = gradscope("trace", "train.py", "--write-baseline", "known.json", cwd=tmp_path)
    assert first.status == 0
    assert first.err.startswith("error[GS102]")
    assert first.err.endswith(
        "gradscope: 1 finding written to baseline known.json, which silences it from now on\n"
    )

    write(tmp_path, "train.py", SEVERED.replace("for _", "# moved\n\n    for _"))
    again = gradscope("trace", str(tmp_path / "train.py"), "--redact", cwd=tmp_path.parent)
    assert again.status == 0
    assert "GS102 severed-gradient at " in said(again.err)
    assert ", by baseline " in said(again.err)
    assert str(tmp_path) not in again.err

    write(tmp_path, "train.py", UNUSED)
    other = gradscope("trace", "train.py", "--fail-on", "warning", cwd=tmp_path)
    assert other.status == 1
    assert other.err.startswith("warning[GS103]")
    gone = "note 1 finding of baseline known.json was not found again (GS102 in train.py): fixed"
    assert gone in said(other.err)

    last = gradscope("trace", "train.py", "--write-baseline", "known.json", cwd=tmp_path)
    assert last.status == 0
    assert "gradscope: 1 finding written to baseline known.json (1 forgotten), which silences it" in said(
        last.err
    )
    entries = json.loads((tmp_path / "known.json").read_text(encoding="utf-8"))["targets"]["train.py"]
    assert [each["code"] for each in entries["findings"]] == ["GS103"]


def test_every_judgement_of_a_run_begins_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Findings are also judged while the program runs; that must not use the baseline up."""
    monkeypatch.chdir(tmp_path)
    entry = '{"code": "GS102", "path": "train.py"}'
    write(
        tmp_path, "b.json", f'{{"gradscope_baseline": 1, "targets": {{"-m x": {{"findings": [{entry}]}}}}}}'
    )
    baselines = prepare("trace", Target("-m x", Kind.RUN_MODULE, "x"), "b.json", None, Config())
    found = Finding("GS102", "a-rule", Severity.ERROR, "m", Location(str(tmp_path / "train.py"), 3))
    for _ in range(2):
        (known,) = baselines.known()
        assert known(found, Recording()) == "baseline b.json"
        assert known(found, Recording()) is None
    assert Baselines().known() == ()


def test_a_baseline_is_kept_apart_from_another(tmp_path: Path) -> None:
    write(tmp_path, "train.py", SEVERED)
    (tmp_path / "old.json").write_text('{"gradscope_baseline": 1, "targets": {"x.py": {}}}', encoding="utf-8")
    words = ("--baseline", "old.json", "--write-baseline", "new.json", "--format", "json")
    ran = gradscope("trace", "train.py", *words, cwd=tmp_path)
    assert ran.status == 0
    assert json.loads(ran.out)["findings"]
    assert json.loads(ran.out)["notes"] == [
        "baseline old.json knows x.py, and not train.py: --write-baseline old.json adds it"
    ]
    assert "gradscope: 1 finding written to baseline new.json; --baseline new.json silences it" in said(
        ran.err
    )
    assert (tmp_path / "old.json").read_text(encoding="utf-8").endswith('"x.py": {}}}')


def test_a_run_that_was_cut_short_writes_none_and_misses_nothing(tmp_path: Path) -> None:
    write(tmp_path, "train.py", HEALTHY + "raise KeyError('theirs')")
    ran = gradscope("trace", "train.py", "--write-baseline", "base.json", cwd=tmp_path)
    assert ran.status == 3
    assert "gradscope: baseline base.json was not written: the program ended with status 1" in ran.err
    assert not (tmp_path / "base.json").exists()
    known = '{"gradscope_baseline": 1, "targets": {"train.py": {"findings": [{"code": "GS102"}]}}}'
    (tmp_path / "base.json").write_text(known, encoding="utf-8")
    ran = gradscope("trace", "train.py", "--baseline", "base.json", cwd=tmp_path)
    assert ran.status == 3
    assert "not found again" not in ran.err


def test_the_baseline_of_the_example_is_what_it_would_be_now(tmp_path: Path) -> None:
    project = Path(__file__).resolve().parents[2] / "examples" / "project"
    shutil.copytree(project, tmp_path / "project", ignore=shutil.ignore_patterns("__pycache__"))
    ran = gradscope("trace", "project/train.py", "--write-baseline", "project/known.json", cwd=tmp_path)
    assert ran.status == 0
    now = (tmp_path / "project" / "known.json").read_text(encoding="utf-8")
    assert now == (project / "known.json").read_text(encoding="utf-8")


def test_the_report_does_not_overwrite_the_baseline_in_force(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "train.py", "raise SystemExit('it ran')")
    write(tmp_path, "pyproject.toml", '[tool.gradscope]\nbaseline = "known.json"')
    write(tmp_path, "known.json", '{"gradscope_baseline": 1}')
    assert run(["trace", "train.py", "--output", "known.json"]) == ExitStatus.USAGE
    assert "known.json cannot be both the report and the baseline" in capsys.readouterr().err
