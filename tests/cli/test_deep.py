"""A program whose graph is a hundred thousand nodes deep, in a process of its own: it must not end there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.running import gradscope, write

PROGRAM = """
    import torch

    def step():
        y = x = torch.randn((), requires_grad=True)
        for _ in range(100_000):
            y = y + 1
        y.backward()
        return x.grad.item()

    print(step(), step())
"""


@pytest.mark.parametrize("command", ["trace", "graph"])
def test_a_deep_graph_does_not_end_the_process(tmp_path: Path, command: str) -> None:
    write(tmp_path, "deep.py", PROGRAM)
    ran = gradscope(command, "deep.py", cwd=tmp_path)
    assert ran.status == 0, ran.err
    assert ran.out.startswith("1.0 1.0\n")
    assert "100,001 nodes" in ran.out + ran.err
