"""Which files a pattern means."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gradscope.patterns import PathPattern, below, trouble_with

FOLDER = "/home/ada/project"


def matches(pattern: str, path: str) -> bool:
    return PathPattern(pattern, FOLDER).matches(path)


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        # with a slash: a path below the folder, or a folder of it
        ("legacy/*", "legacy/a.py", True),
        ("legacy/*", "legacy/deep/a.py", True),
        ("legacy/*.py", "legacy/deep/a.py", False),
        ("legacy/**", "legacy/deep/a.py", True),
        ("legacy/*", "src/legacy/a.py", False),
        ("./legacy", "legacy/a.py", True),
        ("./legacy", "src/legacy/a.py", False),
        ("src/**/a.py", "src/a.py", True),
        ("src/**/a.py", "src/x/y/a.py", True),
        ("src/**/a.py", "src/x/y/ba.py", False),
        ("**/generated/*.py", "src/generated/a.py", True),
        ("legacy\\a.py", "legacy/a.py", True),
        # without one: a name, anywhere
        ("legacy", "src/legacy/deep/a.py", True),
        ("legacy/", "src/legacy/deep/a.py", True),
        ("*_old.py", "src/model_old.py", True),
        ("model.py", "src/my_model.py", False),
        ("model?.py", "src/model2.py", True),
        ("model?.py", "model/.py", False),
        ("model[12].py", "model2.py", True),
        ("model[!12].py", "model2.py", False),
        ("model[!12].py", "model3.py", True),
        ("**", "a.py", True),
        # characters that mean something to regular expressions do not
        ("a.py", "abpy", False),
        ("a+(b)|c^$.py", "a+(b)|c^$.py", True),
        ("[]", "[]", True),
        ("[red]x[/red].py", "rx.py", False),
        # turned around
        ("!src/**", "src/a.py", False),
        ("!src/**", "tests/a.py", True),
    ],
)
def test_a_file_below_the_folder(pattern: str, path: str, expected: bool) -> None:
    assert matches(pattern, f"{FOLDER}/{path}") is expected


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("home/**", "/home/other/a.py", False),
        ("**/transformers/**", "/usr/lib/site-packages/transformers/a.py", True),
        ("transformers", "/usr/lib/site-packages/transformers/a.py", True),
        ("**", "<string>", True),
        ("*.py", "<string>", False),
        ("!src", "/usr/lib/a.py", True),
    ],
)
def test_a_file_elsewhere(pattern: str, path: str, expected: bool) -> None:
    assert matches(pattern, path) is expected


@pytest.mark.skipif(os.name == "nt", reason="symbolic links need a right there")
def test_symbolic_links_are_followed(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    (real / "src").mkdir(parents=True)
    link.symlink_to(real)
    for folder in (real, link):
        for path in (real, link):
            assert below(str(path / "src" / "a.py"), str(folder)) == "src/a.py"
    assert below("/", str(real)) is None
    assert below(str(tmp_path / "realer" / "a.py"), str(real)) is None


def test_the_working_directory_does_not_matter(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert below("a.py", str(tmp_path)) is None
    assert below("<string>", str(tmp_path)) is None


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("/tests/*", "is absolute"),
        ("C:/tests/*", "is absolute"),
        ("!/tests", "is absolute"),
        ("../other/*", "leads out of the folder"),
        ("src/{a,b}.py", "has braces"),
        ("", "is empty"),
        (" / ", "is empty"),
        ("[z-a]", "is no pattern"),
    ],
)
def test_what_can_never_match_is_told(pattern: str, why: str) -> None:
    assert trouble_with(pattern).startswith(why)


@pytest.mark.parametrize("pattern", ["legacy/*", "a{b}.py", "[ab].py", "!x", "...", "a..b/c"])
def test_the_rest_is_no_trouble(pattern: str) -> None:
    assert trouble_with(pattern) == ""
