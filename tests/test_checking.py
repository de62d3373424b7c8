"""What the processes that check tell, put together: with messages of our own in place of processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from gradscope import checking
from gradscope.checker.process.children import ended
from gradscope.checker.process.messages import (
    Began,
    Broken,
    Checked,
    Found,
    ImportFailed,
    Message,
    Refused,
    Stage,
    Told,
)
from gradscope.checker.process.request import Request
from gradscope.checking import check_target
from gradscope.errors import Fault, InputError, TargetError
from gradscope.facts import CheckedFunction, ProgramError, SubjectKind
from gradscope.loader.target import Kind, Target

TARGET = Target("ops.py", Kind.SCRIPT, "ops.py")
NAMES = ("First", "Second", "Third")


def function(name: str, failure: str = "") -> CheckedFunction:
    return CheckedFunction(name, SubjectKind.FUNCTION, failure=failure)


FOUND = Found(tuple(map(function, NAMES)), {"torch": "2.0"}, "cpu")


@dataclass
class Script:
    """What each process in turn tells, and how it dies; the requests that they were given."""

    rounds: list[tuple[Sequence[Message | type[BaseException]], str]]
    requests: list[Request] = field(default_factory=list)

    def child(self, request: Request) -> Any:
        self.requests.append(request)
        messages, died = self.rounds[len(self.requests) - 1]
        return FakeChild(messages, died)


@dataclass
class FakeChild:
    told: Sequence[Message | type[BaseException]]
    died: str
    crash: str = "no such file"

    def __enter__(self) -> FakeChild:
        return self

    def __exit__(self, *exception: object) -> None:
        """Nothing was started."""

    def messages(self, limit: Callable[[], float]) -> Iterator[Message]:
        for message in self.told:
            assert limit() > 0
            if isinstance(message, type):
                raise message
            yield message


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Any, Script]]:
    def start(*rounds: tuple[Sequence[Message], str], program: Target | None = None) -> tuple[Any, Script]:
        script = Script(list(rounds))
        monkeypatch.setattr(checking, "Child", script.child)
        return check_target(Request(TARGET, program=program)).recording, script

    return start


def test_one_process_is_enough_where_nothing_goes_wrong(play: Any) -> None:
    told = [FOUND, *(Checked(function(name)) for name in NAMES), Told("a note")]
    recording, script = play((told, ""))
    assert [each.name for each in recording.checked] == list(NAMES)
    assert recording.notes == ("a note",)
    assert recording.torch_version == "2.0"
    assert len(script.requests) == 1


def test_another_process_goes_on_behind_the_function_that_died(play: Any) -> None:
    first = [FOUND, Checked(function("First")), Began(Stage.FUNCTION, "Second")]
    second = [FOUND, Checked(function("Third"))]
    recording, script = play((first, "crashed the process (SIGSEGV)"), (second, ""))
    assert [(each.name, each.failure) for each in recording.checked] == [
        ("First", ""),
        ("Second", "it crashed the process (SIGSEGV)"),
        ("Third", ""),
    ]
    assert [request.done for request in script.requests] == [frozenset(), frozenset({"First", "Second"})]


def test_a_function_that_was_checked_stays_checked(play: Any) -> None:
    first = [FOUND, Began(Stage.FUNCTION, "First"), Checked(function("First"))]
    second = [FOUND, Checked(function("Second")), Checked(function("Third"))]
    recording, _ = play((first, "was killed"), (second, ""))
    assert [each.failure for each in recording.checked] == ["", "", ""]


def test_the_checks_go_on_without_a_program_that_died(play: Any) -> None:
    second = [FOUND, *(Checked(function(name)) for name in NAMES)]
    recording, script = play(
        ([Began(Stage.PROGRAM)], "nothing after 80 s: stopped"), (second, ""), program=TARGET
    )
    assert recording.notes == (
        "ops.py's own __main__: nothing after 80 s: stopped; the calls that it makes were not seen",
    )
    assert script.requests[1].program is None
    assert len(recording.checked) == 3


def test_ctrl_c_keeps_what_was_checked(play: Any) -> None:
    recording, _ = play(([FOUND, Checked(function("First")), KeyboardInterrupt], ""))
    assert [each.name for each in recording.checked] == ["First"]
    assert recording.program.interrupted
    assert recording.program.exit_status == 130


def test_a_failed_import_is_the_programs_end(play: Any) -> None:
    error = ProgramError("ValueError", "no", (), "ValueError: no\n")
    recording, script = play(([ImportFailed(error, 1, {})], ""))
    assert recording.program.error == error
    assert recording.program.exit_status == 1
    assert len(script.requests) == 1


def test_a_crash_in_the_import_is_the_programs_end(play: Any) -> None:
    recording, _ = play(([Began(Stage.IMPORT)], "crashed the process (SIGSEGV)"))
    assert recording.program.error.message == "importing ops.py crashed the process (SIGSEGV)"
    assert recording.program.exit_status == 1


def test_an_import_that_hangs_is_refused(play: Any) -> None:
    with pytest.raises(TargetError, match=r"importing ops\.py does not end") as caught:
        play(([Began(Stage.IMPORT)], "nothing after 60 s: stopped"))
    assert "__main__" in caught.value.try_next[0]


def test_what_is_refused_there_is_refused_here(play: Any) -> None:
    refused = InputError("does not fit", try_next="gradscope trace ops.py:f")
    with pytest.raises(InputError, match="does not fit") as caught:
        play(([Refused(refused)], ""))
    assert caught.value.try_next == ("gradscope check ops.py:f",)


def test_a_fault_there_is_a_fault_here(play: Any) -> None:
    with pytest.raises(Fault) as caught:
        play(([Broken("Traceback ...\nKeyError: 'x'\n")], ""))
    assert "KeyError: 'x'" in str(caught.value.__cause__)


@pytest.mark.parametrize("died", ["", "crashed the process (SIGABRT)"])
def test_a_process_that_says_nothing_is_a_fault(play: Any, died: str) -> None:
    with pytest.raises(Fault):
        play(([], died))


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (-11, "crashed the process (SIGSEGV)"),
        (-6, "crashed the process (SIGABRT)"),
        (-9, "was killed (SIGKILL; the system does that when memory runs out)"),
        (-64, "crashed the process (SIGRTMAX)"),
        (0xC0000005, "crashed the process (access violation)"),
        (0, "ended the process (exit status 0)"),
        (7, "ended the process (exit status 7)"),
    ],
)
def test_how_a_process_ended(status: int, words: str) -> None:
    assert ended(status) == words
