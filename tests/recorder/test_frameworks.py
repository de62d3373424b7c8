"""Frameworks that keep gradients to themselves: what is said of them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn

from gradscope.engine import judge
from gradscope.recorder import Recorder

ENGINE = '''
import torch
from torch import nn


class DeepSpeedEngine(nn.Module):
    """Takes each gradient away as soon as it is there, and steps by itself."""

    def __init__(self, module):
        super().__init__()
        self.module, self.taken = module, {}
        for parameter in module.parameters():
            parameter.register_post_accumulate_grad_hook(self._take)

    def _take(self, parameter):
        self.taken[parameter], parameter.grad = parameter.grad, None

    def forward(self, *inputs):
        return self.module(*inputs)

    def backward(self, loss):
        (loss * 1024).backward()

    def step(self):
        with torch.no_grad():
            for parameter, gradient in self.taken.items():
                parameter.data.sub_(gradient / 1024, alpha=0.1)
        self.taken.clear()


def initialize(model, **more):
    return DeepSpeedEngine(model), None, None, None
'''


@pytest.fixture
def deepspeed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """A stand-in with the shape of DeepSpeed's engine."""
    import importlib

    (tmp_path / "deepspeed.py").write_text(ENGINE, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield importlib.import_module("deepspeed")
    del sys.modules["deepspeed"]


def test_deepspeed_is_said_not_to_be_seen(deepspeed: ModuleType) -> None:
    recorder = Recorder()
    with recorder:
        engine, *_ = deepspeed.initialize(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1)))
        for _ in range(4):
            engine.backward(engine(torch.randn(8, 3)).pow(2).mean())
            engine.step()
    recording = recorder.recording()
    (text,) = recording.not_seen
    assert "DeepSpeed" in text
    assert "ZeRO" in text
    assert judge(recording)[0] == ()


def test_a_program_that_only_imports_it_is_seen_whole(deepspeed: ModuleType) -> None:
    recorder = Recorder()
    with recorder:
        nn.Linear(3, 1)(torch.ones(2, 3)).sum().backward()
    assert recorder.recording().not_seen == ()


def test_a_parameter_that_gave_its_memory_back_is_not_read() -> None:
    """As FSDP does between forward and backward: reading such a tensor would crash the process."""
    weight = torch.ones(3, requires_grad=True)
    recorder = Recorder()
    with recorder:
        loss = (weight * 2).sum()
        weight.untyped_storage().resize_(0)
        loss.backward()
    recording = recorder.recording()
    assert recording.leaves[0].gradient is not None
    assert recording.chains == ()
