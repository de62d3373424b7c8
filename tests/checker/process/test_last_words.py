"""Where a process was when it died, from what `faulthandler` wrote."""

from __future__ import annotations

from pathlib import Path

from gradscope.checker.process.last_words import last_line
from gradscope.finding import Location

TEXT = """Timeout (0:00:08)!
Thread 0x00007f0000000001 (most recent call first):
  File "/home/me/ops.py", line 3 in forward

Fatal Python error: Segmentation fault

Current thread 0x00007f0000000002 (most recent call first):
  File "/usr/lib/python3.11/ctypes/__init__.py", line 519 in string_at
  File "/home/me/ops.py", line 32 in forward
  File "/home/me/ops.py", line 90 in <module>
"""


def test_the_innermost_line_of_the_file_in_the_last_traceback(tmp_path: Path) -> None:
    path = tmp_path / "crash.txt"
    path.write_text(TEXT, encoding="utf-8")
    found = last_line(str(path), {"/home/me/ops.py"})
    assert found is not None
    assert found.location == Location("/home/me/ops.py", 32)
    assert found.function == "forward"


def test_nothing_where_no_line_is_the_files(tmp_path: Path) -> None:
    path = tmp_path / "crash.txt"
    path.write_text(TEXT, encoding="utf-8")
    assert last_line(str(path), {"/home/me/other.py"}) is None
    path.write_text("", encoding="utf-8")
    assert last_line(str(path), {"/home/me/ops.py"}) is None
    assert last_line(str(tmp_path / "gone.txt"), {"/home/me/ops.py"}) is None
