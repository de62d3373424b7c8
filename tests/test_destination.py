"""Where a report goes."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from gradscope.destination import Destination
from gradscope.errors import OutputError


def test_a_file_appears_in_one_piece(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    destination = Destination(str(path), machine=True, to_stderr=False)
    assert list(tmp_path.iterdir()) == []
    with destination.open() as out:
        out.write("half, ")
        assert not path.exists()
        out.write("and half: é\n")
    assert path.read_bytes() == "half, and half: é\n".encode()
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.json"]


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "report.txt"
    path.write_text("before")
    destination = Destination(str(path), machine=False, to_stderr=True)

    def write_half() -> None:
        with destination.open() as out:
            out.write("after")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_half()
    assert path.read_text() == "before"
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.txt"]


def test_the_path_is_that_of_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    destination = Destination("report.txt", machine=False, to_stderr=True)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with destination.open() as out:
        out.write("x")
    assert (tmp_path / "report.txt").read_text() == "x"


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
def test_permissions_are_kept_or_those_of_a_new_file(tmp_path: Path) -> None:
    kept, new = tmp_path / "kept", tmp_path / "new"
    kept.write_text("")
    kept.chmod(0o640)
    for path in (kept, new):
        with Destination(str(path), machine=False, to_stderr=True).open() as out:
            out.write("x")
    plain = tmp_path / "plain"
    plain.touch()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o640
    assert stat.S_IMODE(new.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such file")
def test_a_device_is_written_to_and_not_replaced() -> None:
    with Destination(os.devnull, machine=True, to_stderr=False).open() as out:
        out.write("x")
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("no/where/r.json", "there is no folder no/where"),
        (".", "is a folder"),
        ("file/r.json", "no folder file"),
    ],
)
def test_what_cannot_be_written_is_said_before_anything_runs(
    output: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=said):
        Destination(output, machine=True, to_stderr=False)


def test_standard_streams(capfd: pytest.CaptureFixture[str]) -> None:
    with Destination(None, machine=False, to_stderr=True).open() as out:
        out.write("to stderr\n")
    with Destination("-", machine=False, to_stderr=False).open() as out:
        out.write("to stdout\n")
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("to stdout\n", "to stderr\n")


def test_a_stream_that_is_no_file_descriptor_still_parses(capsys: pytest.CaptureFixture[str]) -> None:
    destination = Destination(None, machine=True, to_stderr=False)
    print("the program's")
    with destination.open() as out:
        out.write("{}")
    print("after")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("{}after\n", "the program's\n")


def test_closed_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", None)
    with pytest.raises(OutputError, match="stdout is closed"):
        Destination(None, machine=True, to_stderr=True)
    monkeypatch.setattr("sys.stderr", None)
    with Destination(None, machine=False, to_stderr=True).open() as out:
        out.write("nowhere")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_told() -> None:
    destination = Destination("/dev/full", machine=True, to_stderr=False)
    with (
        pytest.raises(OutputError, match="cannot be written to /dev/full: No space left"),
        destination.open() as out,
    ):
        out.write("{}")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_the_reader_of_a_pipe_gets_the_report(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    heard: list[str] = []
    reader = threading.Thread(target=lambda: heard.append(pipe.read_text(encoding="utf-8")))
    reader.start()
    with Destination(str(pipe), machine=True, to_stderr=False).open() as out:
        out.write("report")
    reader.join(10)
    assert heard == ["report"]
