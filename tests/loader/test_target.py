"""What TARGET says."""

from __future__ import annotations

import errno
import os
import zipfile
from pathlib import Path

import pytest

from gradscope.errors import TargetError
from gradscope.loader.target import Kind, Target, parse_target


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text("")
    (tmp_path / "model.py").write_text("")
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("")
    (tmp_path / "package" / "nets.py").write_text("")
    (tmp_path / "program").mkdir()
    (tmp_path / "program" / "__main__.py").write_text("")
    return tmp_path


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["train.py"], Target("train.py", Kind.SCRIPT, "train.py")),
        (["train.py", "a", "--b"], Target("train.py", Kind.SCRIPT, "train.py", arguments=("a", "--b"))),
        (["program"], Target("program", Kind.SCRIPT, "program")),
        (["model.py:Net"], Target("model.py:Net", Kind.FILE_ATTRIBUTE, "model.py", "Net")),
        (["model.py:a.b"], Target("model.py:a.b", Kind.FILE_ATTRIBUTE, "model.py", "a.b")),
        (["package.nets:Net"], Target("package.nets:Net", Kind.MODULE_ATTRIBUTE, "package.nets", "Net")),
        (["package:Net"], Target("package:Net", Kind.MODULE_ATTRIBUTE, "package", "Net")),
        (["torch.nn:Linear"], Target("torch.nn:Linear", Kind.MODULE_ATTRIBUTE, "torch.nn", "Linear")),
        (
            ["package/nets.py:Net"],
            Target("package/nets.py:Net", Kind.FILE_ATTRIBUTE, "package/nets.py", "Net"),
        ),
    ],
)
def test_every_form_is_read(words: list[str], expected: Target) -> None:
    assert parse_target(words) == expected


def test_a_module_to_run_takes_all_words_as_its_arguments() -> None:
    found = parse_target(["--lr", "1"], "package.nets")
    assert found == Target("-m package.nets", Kind.RUN_MODULE, "package.nets", arguments=("--lr", "1"))
    assert found.command_line == ("-m", "package.nets", "--lr", "1")


def test_a_zip_file_is_a_script(folder: Path) -> None:
    with zipfile.ZipFile(folder / "app.zip", "w") as archive:
        archive.writestr("__main__.py", "")
    assert parse_target(["app.zip"]).kind is Kind.SCRIPT


@pytest.mark.parametrize(
    ("words", "what", "advice"),
    [
        ([], "say what to trace", "gradscope trace train.py"),
        (["trian.py"], "no such file: trian.py", "gradscope trace train.py"),
        (["train"], "no such file: train", "gradscope trace train.py"),
        (["modle.py:Net"], "no such file: modle.py", "gradscope trace model.py:Net"),
        (["package.nets"], "no such file: package.nets", "gradscope trace -m package.nets"),
        (["pakage:Net"], "no module named pakage here", "gradscope trace package:Net"),
        (["model.py:"], "what stands after the colon", "gradscope trace model.py"),
        (["model.py:Net()"], "what stands after the colon", "gradscope trace model.py"),
        (["package"], "package is a folder without a __main__.py", "gradscope trace package/nets.py"),
        (["."], ". is a folder without a __main__.py", "gradscope trace train.py"),
        ([""], "the target is empty", "gradscope trace train.py"),
        ([":Net"], "must stand before the colon of :Net", "gradscope trace train.py:Net"),
        (["no_such_thing:Net"], "no module named no_such_thing here", "start it in the folder that holds"),
        (["__main__:Net"], "no module named __main__ here", "start it in the folder that holds"),
    ],
)
def test_a_target_that_is_not_there_leads_to_one_that_is(words: list[str], what: str, advice: str) -> None:
    with pytest.raises(TargetError) as caught:
        parse_target(words)
    assert what in caught.value.what
    assert caught.value.try_next[0].startswith(advice)


def test_a_module_that_is_not_there_has_advice() -> None:
    with pytest.raises(TargetError) as caught:
        parse_target([], "no_such_thing.here")
    assert caught.value.try_next[0].startswith("start it in the folder that holds no_such_thing, or install")


@pytest.mark.parametrize("target", ["train.py", "model.py:Net"])
def test_a_file_that_cannot_be_read_is_told(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: str, mode: str) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", path)

    monkeypatch.setattr("gradscope.loader.target.open", refused, raising=False)
    with pytest.raises(TargetError, match="py cannot be read: Permission denied") as caught:
        parse_target([target])
    assert caught.value.try_next == (f"chmod u+r {target.partition(':')[0]}",)


@pytest.mark.parametrize("target", ["package", "package/train.py"])
def test_a_folder_that_cannot_be_read_is_told(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: str) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", path)

    monkeypatch.setattr("os.scandir", refused)
    monkeypatch.setattr("os.listdir", refused)
    with pytest.raises(TargetError, match="package cannot be read: Permission denied"):
        parse_target([target])


@pytest.mark.skipif(os.name == "nt", reason="Windows does not delete a folder that is in use")
def test_a_working_directory_that_is_gone_is_told(folder: Path) -> None:
    (folder / "gone").mkdir()
    os.chdir(folder / "gone")
    (folder / "gone").rmdir()
    with pytest.raises(TargetError, match="the working directory is gone"):
        parse_target(["train.py"])


@pytest.mark.parametrize(
    ("name", "advice"),
    [("train.py", "-m train"), ("package/nets.py", "-m package.nets"), ("pakage.nets", "-m package.nets")],
)
def test_m_takes_a_dotted_name(name: str, advice: str) -> None:
    with pytest.raises(TargetError) as caught:
        parse_target([], name)
    assert caught.value.try_next == (f"gradscope trace {advice}",)


def test_a_file_that_is_like_no_other_has_the_others_named() -> None:
    with pytest.raises(TargetError, match="no such file: xyz") as caught:
        parse_target(["xyz.py"])
    assert caught.value.where == ("this folder holds train.py, model.py",)


def test_a_missing_folder_is_named() -> None:
    with pytest.raises(TargetError) as caught:
        parse_target(["no/where/train.py"])
    assert caught.value.where == ("there is no folder no/where",)


def test_a_notebook_and_a_checkpoint_are_not_scripts(folder: Path) -> None:
    (folder / "lesson.ipynb").write_text("{}")
    (folder / "weights.pt").write_bytes(b"\x80\x02\x00\x00")
    with pytest.raises(TargetError, match="is a notebook"):
        parse_target(["lesson.ipynb"])
    with pytest.raises(TargetError, match="is not Python source"):
        parse_target(["weights.pt"])


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
def test_what_cannot_be_read_twice_is_refused(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    with pytest.raises(TargetError, match="save the program in a file"):
        parse_target(["pipe"])
