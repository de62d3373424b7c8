"""A program's warnings name what they name under Python."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from .running import environment, gradscope, write

PROGRAM = """
import warnings
import torch

def old(level):
    warnings.warn(f"level {level}", stacklevel=level)

for _ in range(2):
    warnings.warn("beyond", stacklevel=2)
for level in (1, 2, 3, 9):
    old(level)
torch.ones(2, requires_grad=True).sum().backward()
"""


def test_warnings_name_the_same_places(tmp_path: Path) -> None:
    write(tmp_path, "train.py", PROGRAM)
    plain = subprocess.run(
        [sys.executable, "train.py"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert plain.stderr.count("beyond") == 1
    ran = gradscope("trace", "train.py", cwd=tmp_path, fresh=True)
    assert ran.err.startswith(plain.stderr)
