from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from gradscope.errors import InputError, TargetError
from gradscope.facts import ProgramError
from gradscope.finding import Location
from gradscope.gating.processes.endings import (
    Ending,
    Over,
    limit_words,
    not_run,
    oom_kills,
    out_of_memory,
    unreadable,
)
from gradscope.gating.processes.handover import Handed, Job, Place
from gradscope.outcomes import Trouble, TroubleKind
from tests.gating.targets import target

SEGFAULT = """Fatal Python error: Segmentation fault

Current thread 0x1 (most recent call first):
  File "{}", line 1 in f
"""


def trouble(folder: Path, status: int, words: str = "", stage: str = "", **values: Any) -> Trouble | None:
    """What is said of a target that ended with a status; `memory_limit` is its own."""
    place = Place(str(folder))
    Path(place.words).write_text(f"Main thread 0x1\n{words}", encoding="utf-8")
    Path(place.stage).write_text(stage, encoding="utf-8")
    limited = target(folder, "train", "one()\n", memory_limit=1 << 30, time_limit=2.5)
    return Ending(limited, str(folder), place, status, **values).trouble()


def test_what_ends_well_and_hands_over_is_no_trouble(tmp_path: Path) -> None:
    assert trouble(tmp_path, 0, is_handed=True) is None


def test_what_ends_itself_with_status_0_is_told(tmp_path: Path) -> None:
    found = trouble(tmp_path, 0, output=("a", "b"))
    assert (found.kind, found.details) == (TroubleKind.CRASHED, ("a", "b"))
    assert found.message == "ended itself with status 0, by os._exit or in a library"


@pytest.mark.parametrize(
    ("kills", "kind"), [(True, "out of memory"), (None, "out of memory"), (False, "crashed")]
)
def test_a_kill_is_put_down_to_memory_unless_the_kernel_says_otherwise(
    tmp_path: Path, kills: bool | None, kind: str
) -> None:
    found = trouble(tmp_path, -signal.SIGKILL, oom_kills=kills)
    assert found.kind == kind
    assert ("probably by the system because memory ran out" in found.message) is (kills is not False)


def test_an_abort_for_want_of_memory_is_that(tmp_path: Path) -> None:
    printed = ("terminate called after throwing an instance of 'std::bad_alloc'",)
    found = trouble(tmp_path, -signal.SIGABRT, output=printed)
    assert found.kind is TroubleKind.OUT_OF_MEMORY
    assert found.message == "ran out of memory, and crashed the process (SIGABRT)"


def test_a_crash_that_was_written_to_stderr_is_placed_too(tmp_path: Path) -> None:
    text = SEGFAULT.format(tmp_path / "train.py")
    found = trouble(tmp_path, -signal.SIGSEGV, output=tuple(text.splitlines()))
    assert found.message == "crashed the process (SIGSEGV) at line 1 of train.py, in f"
    assert found.details == ('  File "train.py", line 1, in f', "    one()")


def test_over_a_limit_the_stage_is_told_where_no_line_is_known(tmp_path: Path) -> None:
    over = trouble(tmp_path, -9, stage="2 of 3: Softmax, slowly", over=Over.TIME)
    assert (over.kind, over.message) == (
        TroubleKind.HUNG,
        "did not end within 2.5 s; it was at 2 of 3: Softmax",
    )
    over = trouble(tmp_path, -9, over=Over.MEMORY, memory_limit=1 << 30, output=("x",) * 20)
    assert (over.kind, over.message) == (
        TroubleKind.OUT_OF_MEMORY,
        "took more memory than 1.0 GiB, its memory-limit",
    )
    assert over.details == ("x",) * 10


def test_memory_that_ran_out_is_told_with_its_line_and_limit(tmp_path: Path) -> None:
    place = Location(str(tmp_path / "train.py"), 3, function="main")
    message = "[enforce fail] err == 0. can't allocate memory: you tried to allocate 8589934592 bytes. No"
    error = ProgramError("RuntimeError", message, (place,), "Traceback\nRuntimeError\n")
    limit = limit_words(target(tmp_path, "train", None), 2 << 30)
    found = out_of_memory(error, str(tmp_path), limit)
    assert found.location == place
    assert found.details == ("Traceback", "RuntimeError")
    assert found.message == (
        "ran out of memory at line 3 of train.py, in main: it tried to allocate 8.0 GiB; "
        "it was held to 2.0 GiB, its share of what the machine has left"
    )
    cuda = ProgramError(
        "torch.OutOfMemoryError", "CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0", (), ""
    )
    assert out_of_memory(cuda, "/", "").message == "ran out of memory: it tried to allocate 2.50 GiB"


def test_what_to_type_is_what_the_configuration_says() -> None:
    error = TargetError(
        "no such file: trian.py", try_next=["gradscope trace train.py", "gradscope trace a.py:B --input x"]
    )
    found = not_run(error, "memory")
    assert (found.kind, found.message) == (TroubleKind.NOT_RUN, "no such file: trian.py")
    assert found.details == ('try  memory = "train.py"', "     gradscope memory a.py:B --input x")
    assert not_run(InputError("no", where=("a b", "  ^")), "trace").details == ("a b", "  ^")


def test_what_is_handed_over_is_whole_or_not_there(tmp_path: Path) -> None:
    place = Place.made_for(Job(target(tmp_path, "train", None), str(tmp_path)))
    try:
        assert place.job().folder == str(tmp_path)
        assert place.handed() is None
        place.hand_over(Handed(environment={"torch": "2"}))
        assert place.handed() == Handed(environment={"torch": "2"})
    finally:
        place.remove()
    assert not Path(place.folder).exists()


def test_what_cannot_be_read_is_our_fault() -> None:
    found = unreadable(EOFError("short"))
    assert found.kind is TroubleKind.FAULT
    assert found.details[-1] == "EOFError: short"


def test_the_kernel_counts_what_it_ends_or_says_nothing() -> None:
    count = oom_kills()
    assert count is None or count >= 0
