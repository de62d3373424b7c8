"""A deep graph that was walked is freed without a stack overflow: tried in a process of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.started import python

PROGRAM = """
import torch
import gradscope
from gradscope.recorder.graph import walk

def chain():
    y = torch.randn((), requires_grad=True)
    for _ in range(100_000):
        y = y + 1
    return y

y = chain()
{look}
del y
print("alive")
"""


@pytest.mark.parametrize("look", ["nodes, leaves = walk([y]); del nodes", "g = gradscope.graph(y)"])
def test_the_process_outlives_it(look: str, tmp_path: Path) -> None:
    done = python(["-c", PROGRAM.format(look=look)], cwd=tmp_path)
    assert done.stdout == "alive\n", (done.returncode, done.stderr)
