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


def test_a_function_leaves_what_it_calls_as_it_was() -> None:
    net, x, own = model(), torch.randn(64, 16), torch.randn(16, requires_grad=True)
    net(x).mean().backward()
    own.grad = torch.ones(16)
    net[0].calls = 0

    def counted(module: nn.Module, *_: object) -> None:
        module.calls += 1  # type: ignore[operator]  # an int

    net[0].register_forward_hook(counted)
    gradients = {name: parameter.grad for name, parameter in net.named_parameters()}
    values = {name: value.clone() for name, value in net.state_dict().items()}
    gradscope.memory(lambda x: net(x * own), x, compare=False)
    assert all(parameter.grad is gradients[name] for name, parameter in net.named_parameters())
    assert all(torch.equal(value, values[name]) for name, value in net.state_dict().items())
    assert torch.equal(own.grad, torch.ones(16))
    assert net[0].calls == 0


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_without_gradients_around_it(mode: type) -> None:
    net = model()
    with mode():
        memory = gradscope.memory(net, torch.randn(64, 16), compare=False)
    assert memory.use.gradients == memory.use.parameters


def test_one_pattern_of_blocks() -> None:
    memory = gradscope.memory(model(), torch.randn(64, 16), blocks="*.up")
    assert [block.path for block in memory.use.blocks] == [f"{n}.up" for n in range(4)]


def test_what_cannot_be_measured() -> None:
    net, x = model(), torch.randn(64, 16)
    for budget in (-1, True, 0.5):
        with pytest.raises(UsageError, match="is not an amount of memory"):
            gradscope.memory(net, x, budget=budget)  # type: ignore[arg-type]  # on purpose
    with pytest.raises(UsageError, match="meta device"), torch.device("meta"):
        gradscope.memory(Block(), x)
    with pytest.raises(UsageError, match="requires no gradient"):
        gradscope.memory(lambda: torch.ones(3).sum())
    with pytest.raises(UsageError, match=r"loss\(\) returned float32"):
        gradscope.memory(net, x, loss=lambda output: output)


def test_a_number_that_makes_gradients_zero() -> None:
    linear = nn.Linear(16, 16)
    memory = gradscope.memory(lambda x: x.sum() + 0 * linear(x).sum(), torch.randn(64, 16), compare=False)
    assert memory.recording.not_seen == ()
