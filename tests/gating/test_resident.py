from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from gradscope.gating.processes import resident
from gradscope.gating.processes.resident import resident_bytes

HELD = "held = b'x' * (40 << 20); import sys; print(flush=True); sys.stdin.read()"


@pytest.fixture
def parent() -> Iterator[int]:
    """A shell that has started two Pythons, each of which holds 40 MiB."""
    words = " & ".join([f'{sys.executable} -S -c "{HELD}" <&3'] * 2)
    process = subprocess.Popen(
        ["sh", "-c", f"exec 3<&0; {words} & wait"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    for _ in range(2):
        process.stdout.readline()
    yield process.pid
    process.communicate()


@pytest.mark.skipif(os.name != "posix", reason="a shell starts them")
def test_all_that_is_below_a_process_counts_and_it_does_not_itself(parent: int) -> None:
    together = resident_bytes(parent, 1 << 40)
    assert 80 << 20 <= together < 200 << 20
    alone = [each.memory_info().rss for each in psutil.Process(parent).children()]
    assert together == pytest.approx(sum(alone), rel=0.05)


@pytest.mark.skipif(sys.platform != "linux", reason="others do not tell")
def test_above_the_limit_what_is_shared_counts_once(parent: int) -> None:
    assert 80 << 20 <= resident_bytes(parent, 0) < resident_bytes(parent, 1 << 40)


@pytest.mark.skipif(os.name != "posix", reason="a shell starts them")
def test_a_system_without_lists_of_children_is_asked_for_all(
    parent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = resident_bytes(parent, 1 << 40)

    def no_file(path: str) -> str:
        raise FileNotFoundError(path)

    monkeypatch.setattr(resident, "_read", no_file)
    assert resident_bytes(parent, 1 << 40) == pytest.approx(listed, rel=0.05)


def test_a_process_that_has_ended_holds_nothing() -> None:
    ended = subprocess.Popen([sys.executable, "-S", "-c", ""])
    ended.wait()
    assert resident_bytes(ended.pid, 1 << 40) == 0
