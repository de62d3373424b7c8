from __future__ import annotations

import os
import sysconfig
from pathlib import Path

import torch

from gradscope.finding import Location
from gradscope.gating.processes.last_frames import frames_of_crash, frames_of_hang, traceback_lines

TORCH = os.path.join(os.path.dirname(torch.__file__), "nn", "modules", "module.py")
STDLIB = os.path.join(sysconfig.get_paths()["stdlib"], "threading.py")
PACKAGE = os.path.join(sysconfig.get_paths()["purelib"], "somebody", "train.py")
HEADER = "Main thread 0x2a\n"


def dump(head: str, *frames: tuple[str, int, str]) -> str:
    lines = [f'  File "{path}", line {line} in {function}' for path, line, function in frames]
    return "\n".join([head, *lines, ""])


def places(frames: tuple[Location, ...]) -> list[tuple[str, int, str | None]]:
    return [(place.path, place.line, place.function) for place in frames]


def test_the_programs_frames_are_kept_innermost_last() -> None:
    thread = dump(
        "Thread 0x000000000000002a (most recent call first):",
        (TORCH, 1, "_call_impl"),
        ("/p/net.py", 7, "forward"),
        (STDLIB, 3, "run"),
        ("<frozen runpy>", 4, "run"),
        ("/p/train.py", 9, "<module>"),
    )
    assert places(frames_of_hang(HEADER + thread, len(HEADER))) == [
        ("/p/train.py", 9, "<module>"),
        ("/p/net.py", 7, "forward"),
    ]


def test_of_a_hang_the_main_thread_counts_and_others_where_it_tells_nothing() -> None:
    other = dump("Thread 0x000000000000002b (most recent call first):", ("/p/work.py", 1, "work"))
    main = dump("Current thread 0x000000000000002a (most recent call first):", ("/p/train.py", 9, "main"))
    waiting = dump("Current thread 0x000000000000002a (most recent call first):", (STDLIB, 9, "_shutdown"))
    assert places(frames_of_hang(f"{HEADER}{other}\n{main}", 0)) == [("/p/train.py", 9, "main")]
    assert places(frames_of_hang(f"{HEADER}{other}\n{waiting}", 0)) == [("/p/work.py", 1, "work")]


def test_of_a_crash_the_last_one_and_its_thread_count() -> None:
    earlier = dump(
        "Fatal Python error: Aborted\n\nCurrent thread 0x2a (most recent call first):", ("/p/a.py", 1, "f")
    )
    other = dump("Thread 0x2a (most recent call first):", ("/p/train.py", 2, "main"))
    current = dump("Current thread 0x2b (most recent call first):", ("/p/work.py", 3, "work"))
    text = f"{HEADER}{earlier}\nFatal Python error: Segmentation fault\n\n{other}\n{current}"
    assert places(frames_of_crash(text)) == [("/p/work.py", 3, "work")]
    assert frames_of_crash(HEADER + other) == ()


def test_an_installed_package_is_the_programs_where_nothing_else_is() -> None:
    head = "Current thread 0x2a (most recent call first):"
    package = dump(head, (PACKAGE, 5, "fit"))
    mixed = dump(head, (PACKAGE, 5, "fit"), ("/p/train.py", 1, "<module>"))
    assert places(frames_of_hang(package, 0)) == [(PACKAGE, 5, "fit")]
    assert places(frames_of_hang(mixed, 0)) == [("/p/train.py", 1, "<module>")]


def test_what_was_written_before_it_was_asked_for_does_not_count() -> None:
    before = HEADER + dump("Thread 0x2a (most recent call first):", ("/p/old.py", 1, "old"))
    after = dump("Thread 0x2a (most recent call first):", ("/p/new.py", 1, "new"))
    assert places(frames_of_hang(before + after, len(before))) == [("/p/new.py", 1, "new")]


def test_a_traceback_shows_lines_below_the_folder_and_few_of_a_recursion(tmp_path: Path) -> None:
    file = tmp_path / "deep.py"
    file.write_text("first()\x07\ndef dive(): dive()\n", encoding="utf-8")
    frames = [Location(str(file), 1, function="<module>"), *[Location(str(file), 2, function="dive")] * 20]
    lines = traceback_lines(frames, str(tmp_path))
    assert lines[:2] == ('  File "deep.py", line 1, in <module>', "    first()\\x07")
    assert lines[6] == "  ... 10 more ..."
    assert lines.count('  File "deep.py", line 2, in dive') == 10
    assert traceback_lines(frames[:1], "/elsewhere")[0] == f'  File "{file}", line 1, in <module>'
