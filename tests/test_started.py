"""A process that is started by forking is like a new Python."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import started
from tests.started import python

PROGRAM = """
import atexit, os, signal, sys, threading, time

def later():
    time.sleep(0.1)
    print("thread")

atexit.register(print, "exit function")
threading.Thread(target=later).start()
print(__name__, sys.argv, sys.path[0], os.getcwd(), sys.stdin.read())
print(sys.modules["__main__"].__dict__ is globals())
print(sorted(os.environ.items()))
print([number for number in range(20) if os.path.exists(f"/proc/self/fd/{number}")][:3], file=sys.stderr)
os.write(2, b"written\\n")
"""
ENDINGS = {
    "": 0,
    "sys.exit(3)": 3,
    "sys.exit('a sentence')": 1,
    "os._exit(7)": 7,
    "os.kill(os.getpid(), signal.SIGSEGV)": -11,
    "1 / 0": 1,
}
WAYS = {
    "a script": ["program.py", "a", "b"],
    "a module": ["-m", "program", "a"],
    "text": ["-c", PROGRAM, "a"],
}


@pytest.mark.skipif(started.always_fresh, reason="nothing is forked")
@pytest.mark.parametrize("way", WAYS)
def test_it_sees_the_same(way: str, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM, encoding="utf-8")
    forked, fresh = (python(WAYS[way], cwd=tmp_path, stdin="given", fresh=each) for each in (False, True))
    assert forked.stdout == fresh.stdout
    assert forked.stderr == fresh.stderr
    assert fresh.stdout.endswith("exit function\n")


@pytest.mark.skipif(started.always_fresh, reason="nothing is forked")
@pytest.mark.parametrize("ending", ENDINGS)
def test_it_ends_the_same(ending: str, tmp_path: Path) -> None:
    program = f"import os, signal, sys\nprint('said')\n{ending}\n"
    forked, fresh = (python(["-c", program], cwd=tmp_path, fresh=each) for each in (False, True))
    assert (forked.returncode, forked.stdout, forked.stderr) == (fresh.returncode, fresh.stdout, fresh.stderr)
    assert forked.returncode == ENDINGS[ending]


def test_both_streams_in_one(tmp_path: Path) -> None:
    program = "import os; os.write(1, b'one '); os.write(2, b'two '); os.write(1, b'three')"
    assert python(["-c", program], cwd=tmp_path, together=True).stdout == "one two three"
