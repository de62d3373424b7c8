"""Files of targets, and as servers name them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gradscope.finding import Location
from gradscope.outcomes import Outcome, Trouble, TroubleKind, Verdict
from gradscope.reporters.target_files import (
    path_on_one_line,
    repository,
    repository_path,
    target_place,
    trouble_place,
)

from .samples import HOME, Source, report, sources
from .samples_models import gpt

OUTCOME = Outcome("train.py", "trace", "train.py", Verdict.BROKEN)
STATED = Location(f"{HOME}/pyproject.toml", 7)


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("train.py", "train.py"),
        ("model.py:Net", "model.py"),
        ("-m pkg.train", f"{HOME}/pkg/train.py"),
        ("pkg.tool:build", f"{HOME}/pkg/tool/__init__.py"),
        ("-m pkg.tool", f"{HOME}/pkg/tool/__init__.py"),
        ("with gradscope.trace()", f"{HOME}/train.py"),  # the line of a backward
    ],
)
def test_the_file_of_a_target(target: str, path: str) -> None:
    files = (Source("pkg/train.py", "x"), Source("pkg/tool/__init__.py", "x"))
    recording = replace(gpt().recording, sources=sources(*files))
    assert target_place(replace(OUTCOME, target=target, report=report(recording))) == Location(path, 1)


def test_a_target_of_which_nothing_is_known_stands_for_itself() -> None:
    assert target_place(replace(OUTCOME, target="-m gone")) == Location("-m gone", 1)
    assert target_place(replace(OUTCOME, target="-m gone", stated_at=STATED)) == STATED


def test_the_place_of_a_trouble() -> None:
    trouble = Trouble(TroubleKind.HUNG, "hung")
    where = Location(f"{HOME}/loop.py", 12)
    assert trouble_place(replace(OUTCOME, trouble=trouble)) == Location("train.py", 1)
    assert trouble_place(replace(OUTCOME, trouble=trouble, stated_at=STATED)) == STATED
    assert (
        trouble_place(replace(OUTCOME, trouble=replace(trouble, location=where), stated_at=STATED)) == where
    )


@pytest.mark.parametrize("variable", ["GITHUB_WORKSPACE", "CI_PROJECT_DIR"])
def test_the_repository_is_the_checkout_that_the_folder_lies_in(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert repository(HOME) == HOME
    monkeypatch.setenv(variable, "/home/ada/")
    assert repository(HOME) == "/home/ada"
    assert repository_path("train.py", HOME) == "project/train.py"
    assert repository_path(f"{HOME}/../x.py", HOME) == "x.py"
    monkeypatch.setenv(variable, "relative")
    assert repository(HOME) == HOME


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        (f"{HOME}/pkg/a.py", "pkg/a.py"),
        ("./pkg/a.py", "pkg/a.py"),
        ("/opt/a.py", "/opt/a.py"),
        ("<stdin>", "<stdin>"),
        ("", ""),
    ],
)
def test_paths_in_the_repository(path: str, shown: str) -> None:
    assert repository_path(path, HOME) == shown


def test_a_path_on_one_line_keeps_its_blanks() -> None:
    assert path_on_one_line("a  b\n\t\x1b\u2028.py") == r"a  b\n\t\x1b\u2028.py"
