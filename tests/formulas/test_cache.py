"""The file that spares a second reading: written whole, read when it fits, and never a reason to fail."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gradscope.facts.formulas import Gradient, NodeFormula, Saved, SavedKind, Tangent
from gradscope.formulas import cache
from gradscope.formulas.derivatives import Derivatives

NODE = NodeFormula(
    "MulBackward0",
    "mul.Tensor",
    "mul.Tensor(Tensor self, Tensor other) -> Tensor",
    (Gradient(("self",), "grad * other"),),
    (Saved("other", SavedKind.INPUT, ("self",)),),
    (Tangent(("result",), "self_t"),),
)
READ = Derivatives((NODE,), ("matmul",), ("argmax",))


class Reader:
    """Counts how often it reads."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> Derivatives:
        self.count += 1
        return READ


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "cache" / "gradscope"
    monkeypatch.setattr(cache, "folder", lambda: path)
    return path


def test_it_is_read_once(folder: Path) -> None:
    read = Reader()
    assert cache.kept("2.13.0+cpu", "abc", read) == READ
    assert cache.kept("2.13.0+cpu", "abc", read) == READ
    assert read.count == 1
    assert [path.name for path in folder.iterdir()] == ["formulas-2.13.0+cpu.msgpack"]


def test_other_files_of_torch_are_read_anew(folder: Path) -> None:
    read = Reader()
    cache.kept("2.13.0", "abc", read)
    cache.kept("2.13.0", "xyz", read)
    cache.kept("2.13.0", "xyz", read)
    assert read.count == 2
    assert len(list(folder.iterdir())) == 1


def test_so_is_what_another_gradscope_wrote(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = Reader()
    cache.kept("2.13.0", "abc", read)
    monkeypatch.setattr(cache, "__version__", "99")
    cache.kept("2.13.0", "abc", read)
    assert read.count == 2


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[: len(content) // 2],
        lambda content: b"\xff" * 100,
        lambda content: content.replace(b"MulBackward0", b"\xff\xfe\xfdBackward0"),
        lambda content: b"\x93\xa1a\x01\x02",
        lambda content: content.replace(b"input", b"inpot"),
    ],
)
def test_a_damaged_file_is_written_anew(folder: Path, damage: Callable[[bytes], bytes]) -> None:
    read = Reader()
    cache.kept("2.13.0", "abc", read)
    [path] = folder.iterdir()
    path.write_bytes(damage(path.read_bytes()))
    assert cache.kept("2.13.0", "abc", read) == READ
    assert cache.kept("2.13.0", "abc", read) == READ
    assert read.count == 2


def test_a_folder_in_its_place(folder: Path) -> None:
    (folder / "formulas-2.13.0.msgpack").mkdir(parents=True)
    assert cache.kept("2.13.0", "abc", Reader()) == READ
    assert [path.name for path in folder.iterdir()] == ["formulas-2.13.0.msgpack"]


def test_a_file_where_the_folder_should_be(folder: Path) -> None:
    folder.parent.parent.mkdir(exist_ok=True)
    folder.parent.write_text("", encoding="utf-8")
    assert cache.kept("2.13.0", "abc", Reader()) == READ


def test_a_full_disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_source: object, _target: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    read = Reader()
    assert cache.kept("2.13.0", "abc", read) == READ
    assert list(folder.iterdir()) == []


def test_it_appears_whole(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who reads while it is written sees no file, or the one before."""
    seen = []
    real = os.replace

    def replace(source: str, target: str) -> None:
        seen.append((os.path.exists(target), os.path.getsize(source) > 0, os.path.dirname(source)))
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    cache.kept("2.13.0", "abc", Reader())
    assert seen == [(False, True, str(folder))]


def test_an_interrupted_write_leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_source: object, _target: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        cache.kept("2.13.0", "abc", Reader())
    assert list(folder.iterdir()) == []


def test_a_version_that_is_no_file_name(folder: Path) -> None:
    cache.kept("../../2.13", "abc", Reader())
    [path] = folder.iterdir()
    assert path.parent == folder
    assert "/" not in path.name


def test_a_user_without_a_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where `~` means nothing, no folder of that name is made."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: f"~/.cache/{name}")
    assert cache.folder() is None
    assert cache.kept("2.13.0", "abc", Reader()) == READ
    assert list(tmp_path.iterdir()) == []
