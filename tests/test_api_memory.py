"""`gradscope.memory(...)`: what it gives back, and that it leaves everything as it was."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
from torch import nn

import gradscope
from gradscope.errors import OutputError, UsageError
from gradscope.facts import StrategyKind


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.up, self.norm, self.down = nn.Linear(16, 64), nn.BatchNorm1d(64), nn.Linear(64, 16)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.down(torch.tanh(self.norm(self.up(x))))


def model() -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(*(Block() for _ in range(4)))


def test_a_module_and_its_plan() -> None:
    memory = gradscope.memory(model(), torch.randn(128, 16), budget="60%")
    plain = memory.use.strategies[0]
    assert memory.use.plan is not None
    assert memory.use.plan.strategy is not None
    assert plain.peak is not None
    assert memory.use.plan.budget == int(0.6 * plain.peak)
    assert memory.use.plan.strategy.peak is not None
    assert memory.use.plan.strategy.peak <= memory.use.plan.budget
    assert memory.code is not None
    assert "checkpoint" in memory.code
    assert "<- fits" in str(memory)
    assert repr(memory).startswith("<gradscope.memory: ")


def test_everything_is_left_as_it_was() -> None:
    net, x = model(), torch.randn(128, 16, requires_grad=True)
    net(x).mean().backward()
    before = {name: parameter.grad for name, parameter in net.named_parameters()}
    values = {name: value.clone() for name, value in net.state_dict().items()}
    own = x.grad
    forwards = [module.forward for module in net]
    states = torch.get_rng_state(), random.getstate()
    gradscope.memory(net, x, optimizer="adam")
    assert torch.equal(torch.get_rng_state(), states[0])
    assert random.getstate() == states[1]
    for name, parameter in net.named_parameters():
        assert parameter.grad is before[name]
    assert all(torch.equal(value, values[name]) for name, value in net.state_dict().items())
    assert x.grad is own
    assert [module.forward for module in net] == forwards
    assert all("forward" not in vars(module) for module in net)


def test_a_function_and_a_loss_of_ones_own() -> None:
    net = model()

    def step(x: torch.Tensor) -> torch.Tensor:
        return net(x)

    memory = gradscope.memory(step, torch.randn(64, 16), loss=lambda output: output.square().sum())
    kinds = [each.kind for each in memory.use.strategies]
    assert kinds[:2] == [StrategyKind.NONE, StrategyKind.EVERY_BLOCK]


def test_without_comparing() -> None:
    memory = gradscope.memory(model(), torch.randn(64, 16), compare=False)
    assert memory.use.strategies == ()
    assert memory.use.saved > 0
    assert memory.code is None


def test_budgets_in_bytes_and_ones_that_nothing_fits_in() -> None:
    memory = gradscope.memory(model(), torch.randn(64, 16), budget=10)
    assert memory.use.plan is not None
    assert memory.use.plan.strategy is None
    assert memory.use.plan.floor > 10


@pytest.mark.parametrize("name", ["m.html", "m.json", "m.txt"])
def test_saving(name: str, tmp_path: Path) -> None:
    gradscope.memory(model(), torch.randn(64, 16), compare=False).save(tmp_path / name)
    assert len((tmp_path / name).read_bytes()) > 500


def test_what_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no step"):
        gradscope.memory(3)  # type: ignore[arg-type]  # on purpose
    with pytest.raises(UsageError, match="not known"):
        gradscope.memory(model(), torch.randn(64, 16), optimizer="adan")
    with pytest.raises(OutputError, match="names no format"):
        gradscope.memory(model(), torch.randn(64, 16), compare=False).save(tmp_path / "m.svg")
