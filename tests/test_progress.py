"""The progress line."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from gradscope.progress import ProgressLine, progress_text


@dataclass
class Counts:
    steps: int = 0
    backward_passes: int = 0


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("counts", "hint", "expected"),
    [
        (Counts(0, 1), True, "gradscope: 1 backward"),
        (Counts(1, 2), True, "gradscope: 1 step, 2 backwards"),
        (Counts(50, 50), True, "gradscope: 50 steps, 50 backwards"),
        (
            Counts(1200, 51),
            True,
            "gradscope: 1,200 steps, 51 backwards   (--steps 20 ends the program sooner)",
        ),
        (Counts(51, 51), False, "gradscope: 51 steps, 51 backwards"),
    ],
)
def test_the_text(counts: Counts, hint: bool, expected: str) -> None:
    assert progress_text(counts, hint=hint) == expected
    assert len(expected) <= 80


@pytest.fixture
def open_terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Terminal]:
    """Makes stdout and stderr one terminal; to be called in the test, where pytest's own streams are in."""

    def open_it() -> Terminal:
        terminal = Terminal()
        monkeypatch.setattr(sys, "stdout", terminal)
        monkeypatch.setattr(sys, "stderr", terminal)
        return terminal

    return open_it


def screen(terminal: Terminal) -> list[str]:
    """What is on the screen after every `ESC[2K` has erased its line."""
    return [line.rpartition("\r\x1b[2K")[2] for line in terminal.getvalue().split("\n")]


def test_it_is_drawn_while_the_program_is_quiet_and_erased_at_the_end(
    open_terminal: Callable[[], Terminal],
) -> None:
    terminal = open_terminal()
    clock = Clock()
    with ProgressLine(terminal, hint=True, clock=clock) as line:
        line(Counts(1, 1))
        assert terminal.getvalue() == ""  # not yet: a short run shows nothing
        clock.now = 2.0
        line(Counts(9, 9))
        assert screen(terminal) == ["gradscope: 9 steps, 9 backwards"]
        line(Counts(10, 10))
        assert screen(terminal) == ["gradscope: 9 steps, 9 backwards"]  # drawn a moment ago
        clock.now = 3.0
        line(Counts(11, 11))
        assert screen(terminal) == ["gradscope: 11 steps, 11 backwards"]
    assert screen(terminal) == [""]


def test_what_the_program_prints_stands_alone(open_terminal: Callable[[], Terminal]) -> None:
    terminal = open_terminal()
    clock = Clock()
    with ProgressLine(terminal, hint=True, clock=clock) as line:
        clock.now = 2.0
        line(Counts(9, 9))
        print("loss 0.5")
        assert screen(terminal) == ["loss 0.5", ""]
        clock.now = 3.0
        line(Counts(10, 10))
        assert screen(terminal) == ["loss 0.5", ""]  # the program has just printed
        clock.now = 5.0
        line(Counts(12, 12))
        assert screen(terminal)[0] == "loss 0.5"
        assert screen(terminal)[1].startswith("gradscope: 12")


def test_an_unfinished_line_is_never_written_over(open_terminal: Callable[[], Terminal]) -> None:
    terminal = open_terminal()
    clock = Clock()
    with ProgressLine(terminal, hint=True, clock=clock) as line:
        print("epoch 1 ...", end="")
        clock.now = 100.0
        line(Counts(9, 9))
        assert terminal.getvalue() == "epoch 1 ..."


def test_the_streams_are_the_programs_again_afterwards(open_terminal: Callable[[], Terminal]) -> None:
    terminal = open_terminal()
    with ProgressLine(terminal, hint=True):
        assert "write" in vars(terminal)
    assert "write" not in vars(terminal)


def test_streams_that_are_no_terminal_are_not_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = io.StringIO()
    monkeypatch.setattr(sys, "stdout", pipe)
    with ProgressLine(io.StringIO(), hint=True):
        assert "write" not in vars(pipe)


def test_announcements_stand_above_the_line(open_terminal: Callable[[], Terminal]) -> None:
    terminal = open_terminal()
    clock = Clock()
    with ProgressLine(terminal, hint=True, clock=clock) as line:
        clock.now = 2.0
        line(Counts(9, 9))
        line.announce(["error one", "error two"])
        clock.now = 4.0
        line(Counts(11, 11))
        assert screen(terminal) == ["error one", "error two", "gradscope: 11 steps, 11 backwards"]


def test_announcements_wait_for_the_end_of_the_programs_line(open_terminal: Callable[[], Terminal]) -> None:
    terminal = open_terminal()
    with ProgressLine(terminal, hint=True, clock=Clock()) as line:
        print("epoch 1 ...", end="")
        line.announce(["error one"])
        assert terminal.getvalue() == "epoch 1 ..."
        print(" done")
        line.announce([])
        assert screen(terminal) == ["epoch 1 ... done", "error one", ""]
