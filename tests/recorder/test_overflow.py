"""A float16 overflow seen by the whole recorder: how large it should be, and the loss scale it had."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gradscope.facts import NonfiniteBirth
from gradscope.recorder import Recorder

HALF = torch.float16


def births(program: Any) -> tuple[NonfiniteBirth, ...]:
    """What was born while this ran."""
    recorder = Recorder()
    with recorder:
        program()
    recording = recorder.recording()
    assert recording.not_seen == ()
    return recording.births


def leaf(*values: float) -> Tensor:
    return torch.tensor(values, dtype=HALF, requires_grad=True)


def test_the_size_of_an_overflow():
    (birth,) = births(lambda: ((leaf(1.0) * 256).float() * 1024).sum().backward())
    assert (birth.node, birth.true_largest) == ("MulBackward0", 2.0**18)
    assert (birth.scale, birth.last_scale) == (None, None)


def test_a_division_by_zero_has_none():
    (birth,) = births(lambda: torch.sqrt(leaf(0.0, 1.0)).float().sum().backward())
    assert (birth.node, birth.true_largest) == ("SqrtBackward0", None)


def test_what_is_added_up_is_looked_at_where_it_arrives():
    def program() -> None:
        doubled = 2 * leaf(1.0, 1.0)
        (40000 * doubled.float() + 40000 * doubled.float()).sum().backward()

    (birth,) = births(program)
    assert (birth.node, birth.origin, birth.true_largest) == ("MulBackward0", "sum", None)
    assert birth.incoming is not None
    assert (birth.incoming.dtype, birth.incoming.inf) == ("float16", 2)


def test_the_loss_scale_of_the_first_and_of_the_last_time():
    def program() -> None:
        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0**30)
        for _ in range(4):
            with torch.autocast("cpu", dtype=HALF):
                loss = model(torch.ones(2, 4)).float().mean()
            optimizer.zero_grad()
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()

    (birth,) = births(program)
    assert (birth.node, birth.true_largest) == ("ToCopyBackward0", 2.0**29)
    assert (birth.scale, birth.last_scale, birth.count) == (2.0**30, 2.0**27, 4)


def test_an_op_that_cannot_run_again_is_told_without(monkeypatch: pytest.MonkeyPatch):
    def out_of_memory(*_: Any) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr("gradscope.recorder.watched_pass.true_largest", out_of_memory)
    recorder = Recorder()
    with recorder:
        ((leaf(1.0) * 300).float() * 1000).sum().backward()
    recording = recorder.recording()
    assert [birth.true_largest for birth in recording.births] == [None]
    assert any("out of memory" in text for text in recording.not_seen)
