"""What is typed for `gradscope check`: the target, the program that runs, and the limits."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradscope.checker.process.request import Request
from gradscope.checker.process.targets import capture_script, own_program, parse_words
from gradscope.errors import TargetError
from gradscope.loader.target import Kind, Target

MAIN = 'class Softmax: ...\n\nif __name__ == "__main__":\n    pass\n'


@pytest.fixture(autouse=True)
def _in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pkg").mkdir()
    for name in ("ops.py", "pkg/__init__.py", "pkg/ops.py"):
        (tmp_path / name).write_text(MAIN if name.endswith("ops.py") else "", encoding="utf-8")
    (tmp_path / "plain.py").write_text("def f(x): return x\n", encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "module", "expected"),
    [
        (["ops.py"], None, Target("ops.py", Kind.SCRIPT, "ops.py")),
        (["ops.py", "-v"], None, Target("ops.py", Kind.SCRIPT, "ops.py", arguments=("-v",))),
        (["ops.py:Softmax"], None, Target("ops.py:Softmax", Kind.FILE_ATTRIBUTE, "ops.py", "Softmax")),
        (["pkg.ops"], None, Target("pkg.ops", Kind.RUN_MODULE, "pkg.ops")),
        (["ops"], None, Target("ops", Kind.RUN_MODULE, "ops")),
        (["-v"], "pkg.ops", Target("-m pkg.ops", Kind.RUN_MODULE, "pkg.ops", arguments=("-v",))),
        (["pkg.ops:Softmax"], None, Target("pkg.ops:Softmax", Kind.MODULE_ATTRIBUTE, "pkg.ops", "Softmax")),
    ],
)
def test_targets(words: list[str], module: str | None, expected: Target) -> None:
    assert parse_words(words, module) == expected


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "say what to check"),
        (["no.py"], "no such file: no.py"),
        (["pkg"], None),
        (["notes.txt"], "notes.txt is not a Python file"),
        (["no_such_module_here"], "no such file: no_such_module_here"),
    ],
)
def test_what_is_no_target(words: list[str], said: str | None) -> None:
    Path("notes.txt").write_text("text", encoding="utf-8")
    if said is None:
        with pytest.raises(TargetError):
            parse_words(words)
        return
    with pytest.raises(TargetError, match=said):
        parse_words(words)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ops.py", Target("ops.py", Kind.SCRIPT, "ops.py")),
        ("ops.py:Softmax", Target("ops.py", Kind.SCRIPT, "ops.py")),
        ("pkg.ops:Softmax", Target("pkg.ops", Kind.RUN_MODULE, "pkg.ops")),
        ("pkg/ops.py", Target("pkg/ops.py", Kind.RUN_MODULE, "pkg.ops")),  # its imports may be relative
        ("ops.py:Sofmax", None),  # a typo is told at once
        ("plain.py", None),
    ],
)
def test_the_program_that_is_run(text: str, expected: Target | None) -> None:
    assert own_program(parse_words([text])) == expected


def test_a_script_to_capture() -> None:
    assert capture_script("ops.py", ("7",)) == Target("ops.py", Kind.SCRIPT, "ops.py", arguments=("7",))
    with pytest.raises(TargetError, match=r"--capture ops\.py:f is not a script"):
        capture_script("ops.py:f", ())


def test_what_is_imported() -> None:
    assert Request(parse_words(["ops.py"])).module.kind is Kind.FILE_ATTRIBUTE
    assert Request(parse_words(["pkg.ops"])).module.kind is Kind.MODULE_ATTRIBUTE


def test_the_target_runs_itself_or_another_one_does() -> None:
    target = parse_words(["ops.py:Softmax"])
    assert not Request(target).runs_target
    assert Request(target, program=own_program(target)).runs_target
    assert not Request(target, program=capture_script("plain.py", ())).runs_target


def test_limits_follow_the_time_of_a_function_but_are_never_short() -> None:
    target = parse_words(["ops.py"])
    assert Request(target, seconds=5.0).longest_function == 50.0
    assert Request(target, seconds=0.1).longest_function == 10.0
    assert Request(target, seconds=5.0).longest_program == 25.0
