"""The folder of formats."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gradscope import reporters

from .samples import HOME, cut

NAMES = ("concise", "github", "gitlab", "html", "json", "junit", "markdown", "sarif", "text")


@pytest.fixture
def fresh_formats() -> Iterator[None]:
    reporters._formats.cache_clear()
    yield
    reporters._formats.cache_clear()


def test_names() -> None:
    assert reporters.names() == NAMES


@pytest.mark.usefixtures("fresh_formats")
def test_a_new_format_is_a_new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shout.py").write_text(
        "def render(report, out, *, color, width, cwd):\n    out.write(report.target.upper())\n"
    )
    monkeypatch.setattr(reporters, "__path__", [*reporters.__path__, str(tmp_path)])
    out = io.StringIO()
    reporters.render("shout", cut(), out)
    assert out.getvalue() == "TRAIN.PY"
    assert reporters.names() == tuple(sorted((*NAMES, "shout")))
    monkeypatch.delitem(sys.modules, "gradscope.reporters.shout")


def test_an_unknown_format_says_which_there_are() -> None:
    with pytest.raises(ValueError, match=f"no format 'xml'; there are {', '.join(NAMES)}"):
        reporters.render("xml", cut(), io.StringIO())


def test_paths_are_relative_to_the_working_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getcwd", lambda: HOME)
    out = io.StringIO()
    reporters.render("text", cut(), out, width=80)
    assert "--> train.py:36:37" in out.getvalue()
    out = io.StringIO()
    reporters.render("text", cut(), out, width=80, cwd="/elsewhere")
    assert f"--> {HOME}/train.py:36:37" in out.getvalue()


def test_naming_the_formats_loads_neither_rich_nor_torch() -> None:
    code = (
        "import sys; from gradscope import reporters; reporters.names();"
        "print(*sorted({'rich', 'torch', 'numpy'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == ""
