"""How a program ended, as Python would tell it."""

from __future__ import annotations

import json
import sys
import threading
import traceback
from collections.abc import Callable

import pytest

from gradscope.errors import TargetError
from gradscope.facts import ProgramEnd
from gradscope.loader import ending
from gradscope.recorder import StepLimit


def ended(run: Callable[[], object], told: list[BaseException] | None = None) -> ProgramEnd:
    told = [] if told is None else told
    return ending.run_to_end(lambda: run() and None, told.append, max_steps=7)


@pytest.mark.parametrize(
    ("code", "status", "printed"),
    [(None, 0, ""), (0, 0, ""), (3, 3, ""), (True, 1, ""), ("no data", 1, "no data\n"), ([1], 1, "[1]\n")],
)
def test_sys_exit(code: object, status: int, printed: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(lambda: sys.exit(code)) == ProgramEnd(exit_status=status)  # type: ignore[arg-type]
    assert capsys.readouterr().err == printed


def test_running_off_the_end_ctrl_c_and_the_step_limit() -> None:
    def raising(error: BaseException) -> Callable[[], object]:
        def run() -> object:
            raise error

        return run

    assert ended(lambda: None) == ProgramEnd()
    assert ended(raising(KeyboardInterrupt())) == ProgramEnd(exit_status=130, interrupted=True)
    assert ended(raising(StepLimit())) == ProgramEnd(stopped_after_steps=7)
    with pytest.raises(TargetError):
        ended(raising(TargetError("ours")))


PROGRAM = """
import json
def read(text):
    return json.loads(text)
def chained():
    try:
        read('{')
    except ValueError as error:
        raise LookupError('no reading') from error
def grouped():
    try:
        read('[')
    except ValueError as error:
        raise ExceptionGroup('several', [error, KeyError('k')])
"""


def program(name: str) -> Callable[[], object]:
    namespace: dict[str, Callable[[], object]] = {}
    exec(compile(PROGRAM, "program.py", "exec"), namespace)
    return namespace[name]


def test_an_exception_is_told_with_the_programs_frames_only() -> None:
    told: list[BaseException] = []
    error = ended(program("chained"), told).error
    assert error is not None
    assert (error.type, error.message) == ("LookupError", "no reading")
    assert [(f.path, f.line, f.function) for f in error.frames][-1] == ("program.py", 9, "chained")
    files = [line.split('"')[1] for line in error.rendered.splitlines() if line.startswith("  File")]
    assert set(files) <= {"program.py", __file__}
    assert "json" not in "".join(files)
    assert "direct cause of the following exception" in error.rendered
    assert error.rendered.endswith("LookupError: no reading\n")
    assert [type(each) for each in told] == [LookupError]


def test_an_exception_that_cannot_be_printed() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    def run() -> None:
        raise Mute

    error = ended(run).error
    assert error is not None
    assert error.message == "<exception str() failed>"


def test_the_members_of_a_group_are_trimmed_too() -> None:
    error = ended(program("grouped")).error
    assert error is not None
    assert json.__file__ not in error.rendered
    assert "JSONDecodeError" in error.rendered
    assert "KeyError: 'k'" in error.rendered


def test_the_exception_itself_is_left_whole() -> None:
    with pytest.raises(LookupError) as caught:
        program("chained")()
    before = traceback.format_exception(caught.value)
    ending.program_error(caught.value)
    assert traceback.format_exception(caught.value) == before


def test_the_programs_own_hook_is_called_with_its_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def hook(kind: type[BaseException], error: BaseException, entries: object) -> None:
        seen.extend(traceback.format_exception(error))
        sys.exit(5)

    monkeypatch.setattr(sys, "excepthook", hook)
    assert ended(program("chained")).exit_status == 5
    assert "gradscope" not in "".join(
        line for line in seen if "program.py" not in line and __file__ not in line
    )
    assert seen[-1] == "LookupError: no reading\n"


def test_a_broken_hook_does_not_hide_the_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def hook(*_: object) -> None:
        raise RuntimeError("broken hook")

    monkeypatch.setattr(sys, "excepthook", hook)
    end = ended(program("chained"))
    assert end.exit_status == 1
    assert end.error is not None
    assert end.error.type == "LookupError"
    err = capsys.readouterr().err
    assert err.startswith("Error in sys.excepthook:\n")
    assert "RuntimeError: broken hook" in err


def test_threads_are_waited_for_and_daemons_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    # The interpreter's own shutdown of threads can be done only once in a process.
    monkeypatch.delattr(threading, "_shutdown")
    done, forever = [], threading.Event()

    def run() -> None:
        threading.Timer(0.05, lambda: done.append("timer")).start()
        threading.Thread(target=forever.wait, daemon=True).start()

    ending.run_to_end(run, done.append, whole_program=True)
    forever.set()
    assert done == ["timer"]
