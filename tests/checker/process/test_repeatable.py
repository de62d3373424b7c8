"""Two runs of one command see the same numbers."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from gradscope.checker.process.messages import Checked, Message
from gradscope.checker.process.program import run_request
from gradscope.checker.process.request import Request
from gradscope.facts import CheckedFunction
from gradscope.loader.target import Kind, Target

_WRONG = """
import torch

class Cube(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * 2 * x
"""


def _numbers(path: Path, seed: int | None) -> list[float | None]:
    found: list[float | None] = []

    def hear(message: Message) -> None:
        if isinstance(message, Checked) and isinstance(message.function, CheckedFunction):
            found.extend(one.analytical for one in message.function.wrong_gradients)

    target = Target(f"{path}:Cube", Kind.FILE_ATTRIBUTE, str(path), "Cube")
    run_request(Request(target, inputs=("randn(3, 2)",), seed=seed), hear)
    return found


def test_random_inputs_are_the_same_in_every_run(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "ops.py"
    path.write_text(_WRONG, encoding="utf-8")
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    monkeypatch.setattr(sys, "argv", sys.argv[:])
    state = torch.get_rng_state()
    first = _numbers(path, None)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(99)
    assert first == _numbers(path, None) != []
    assert first != _numbers(path, 5)
