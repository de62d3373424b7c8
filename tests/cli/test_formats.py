"""The formats of continuous integration, from the command line."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest

from .running import gradscope, write

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(autouse=True)
def _outside_of_github(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)


def example(name: str, folder: Path) -> str:
    return Path(shutil.copy(EXAMPLES / name, folder)).name


def test_annotations_are_all_that_goes_to_stdout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = tmp_path / "models"
    inside.mkdir()
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path))
    ran = gradscope("trace", example("severed.py", inside), "--format", "github", cwd=inside)
    assert ran.status == 1
    (line,) = ran.out.splitlines()
    assert line.startswith(
        "::error file=models/severed.py,line=28,col=37,endLine=28,endColumn=46,title=GS102 "
    )
    assert "severed-gradient::encoder.* (4 parameters) gets no gradient: it stops at detach()%0A" in line
    assert "step 4   loss" in ran.err
    assert "gradscope: 1 finding" in ran.err


def test_the_ending_of_a_file_means_junit(tmp_path: Path) -> None:
    name = example("checks/layer_norm.py", tmp_path)
    ran = gradscope("check", name, "--output", "report.xml", cwd=tmp_path)
    assert ran.status == 1
    root = ElementTree.parse(tmp_path / "report.xml").getroot()
    (suite,) = root
    assert suite.get("name") == name
    failures = [case for case in suite.iter("testcase") if case.find("failure") is not None]
    assert [case.get("file") for case in failures] == [name] * len(failures)
    assert failures[0].get("name", "").startswith("GS601 wrong-gradient")
    told = {each.get("name"): each.get("value") for each in suite.iter("property")}
    assert (told["command"], told["verdict"]) == ("check", "failed")
    assert told["torch"]


def test_a_program_that_dies_is_an_error_in_junit(tmp_path: Path) -> None:
    write(
        tmp_path,
        "dies.py",
        """
        import torch
        x = torch.ones(2, requires_grad=True)
        x.sum().backward()
        raise ValueError("]]> <&>" + chr(1))
        """,
    )
    ran = gradscope("trace", "dies.py", "--format", "junit", cwd=tmp_path)
    assert ran.status == 3
    (case,) = ElementTree.fromstring(ran.out).iter("testcase")
    (error,) = case
    assert (error.tag, error.get("type")) == ("error", "program failed")
    assert error.get("message") == "ValueError: ]]> <&>\\x01"
    assert (case.get("file"), case.get("line")) == ("dies.py", "4")
    assert "Traceback" in (error.text or "")


def test_memory_in_markdown(tmp_path: Path) -> None:
    write(
        tmp_path,
        "step.py",
        """
        import torch
        net = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))
        net(torch.ones(4, 8)).sum().backward()
        """,
    )
    ran = gradscope("memory", "step.py", "--format", "markdown", cwd=tmp_path)
    assert ran.status == 0
    assert ran.out.startswith("## ✅ gradscope memory `step.py`: no findings\n\n<details>\n")
    assert "saved by module" in ran.out
    assert re.search(r"<sub>gradscope `[^`]+` · python `[^`]+` · torch `[^`]+`", ran.out)
