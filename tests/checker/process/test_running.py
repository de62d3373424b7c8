"""The program whose calls are to be seen: run, ended in time, and what it leaves behind."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from gradscope.checker.process.running import Ran, run_program
from gradscope.errors import TargetError
from gradscope.loader.target import Kind, Target

BEFORE = "import sys\nimport time\nseen = [1]\n"
BLOCK = 'if __name__ == "__main__":\n    seen.append(2)\n    '


@pytest.fixture(autouse=True)
def _main_kept() -> Iterator[None]:
    main, path = sys.modules["__main__"], sys.path[:]
    yield
    sys.modules["__main__"] = main
    sys.path[:] = path


def run(folder: Path, text: str, seconds: float = 60.0, *, own: bool = True) -> Ran:
    path = folder / "ops.py"
    path.write_text(text, encoding="utf-8")
    return run_program(Target("ops.py", Kind.SCRIPT, str(path)), seconds, own=own)


def test_a_program_that_ends_well(tmp_path: Path) -> None:
    ran = run(tmp_path, BEFORE + BLOCK + "pass\n")
    assert ran.note == ""
    assert ran.module is not None
    assert ran.module.seen == [1, 2]
    assert ran.module.__name__ == "__main__"


@pytest.mark.parametrize(
    ("ending", "note"),
    [
        ("raise ValueError('no data')", "raised ValueError: no data at line 6"),
        ("sys.exit(4)", "ended with status 4"),
        ("raise KeyboardInterrupt", "raised KeyboardInterrupt"),
    ],
)
def test_one_that_fails_in_its_main_block_counts(tmp_path: Path, ending: str, note: str) -> None:
    ran = run(tmp_path, BEFORE + BLOCK + ending + "\n")
    assert ran.note == f"ops.py's own __main__ {note}; the calls that it had made until then were used"
    assert ran.module is not None


def test_one_that_fails_before_has_not_come_to_its_main(tmp_path: Path) -> None:
    assert run(tmp_path, BEFORE + "open('no.bin')\n" + BLOCK + "pass\n").module is None


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there are no interval timers")
def test_one_that_goes_on_is_stopped(tmp_path: Path) -> None:
    stubborn = "try:\n        time.sleep(60)\n    except Exception:\n        pass\n"
    ran = run(tmp_path, BEFORE + BLOCK + stubborn, 0.2)
    assert ran.note.startswith("ops.py's own __main__ was stopped after 0.2 s")
    assert ran.module is not None
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there are no interval timers")
def test_what_stands_before_the_main_block_takes_its_time(tmp_path: Path) -> None:
    ran = run(tmp_path, BEFORE + "time.sleep(0.6)\n" + BLOCK + "pass\n", 0.2)
    assert ran.note == ""


def test_another_script_has_no_main_block_to_come_to(tmp_path: Path) -> None:
    ran = run(tmp_path, "raise ValueError('no data')\n", own=False)
    assert ran.note.startswith("ops.py raised ValueError: no data at line 1")


def test_what_it_sets_for_the_process_is_taken_back(tmp_path: Path) -> None:
    folder, arguments = os.getcwd(), sys.argv[:]
    text = "import os, sys, torch\nos.chdir('/')\nsys.argv.append('x')\n"
    text += "torch.set_default_dtype(torch.float64)\ntorch.set_grad_enabled(False)\n"
    try:
        run(tmp_path, text, own=False)
        assert (os.getcwd(), sys.argv) == (folder, arguments)
        assert torch.get_default_dtype() is torch.float32
        assert torch.is_grad_enabled()
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_grad_enabled(True)


def test_one_that_does_not_compile(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="does not compile"):
        run(tmp_path, "def f(:\n")
