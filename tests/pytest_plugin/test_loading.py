"""The plugin is loaded in every pytest run: it imports nothing that is not asked for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys, pytest
status = pytest.main(["-q", "--disable-plugin-autoload", "-p", "no:cacheprovider",
                      "-p", "gradscope.pytest_plugin", "test_it.py", *sys.argv[1:]])
print("loaded:", status, *sorted(name for name in sys.modules if name.partition(".")[0] in
      ("torch", "numpy", "rich", "msgspec", "gradscope")))
"""


def loaded(folder: Path, *words: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *words],
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    return done.stdout.splitlines()[-1].split()


def test_nothing_is_imported_that_nobody_asked_for(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "import pytest\n"
        "@pytest.fixture\n"
        "def thing(): return 1\n"
        "@pytest.mark.gradscope(off=True)\n"
        "def test_it(thing): assert thing == 1\n"
    )
    assert loaded(tmp_path) == [
        "loaded:",
        "0",
        "gradscope",
        "gradscope.errors",
        "gradscope.exits",
        "gradscope.pytest_plugin",
        "gradscope.pytest_plugin.marks",
    ]
