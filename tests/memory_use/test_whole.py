"""Everything compared of one step: what is recommended, and what is done where a part of it cannot be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gradscope.errors import UsageError
from gradscope.facts import MemoryKind, MemoryPeak, MemoryPhase, MemoryUse, StrategyKind
from gradscope.loader.inputs import Inputs
from gradscope.loader.loss import find_loss
from gradscope.loader.options import Options
from gradscope.loader.placement import choose_placement
from gradscope.loader.work import Work
from gradscope.memory_use import budgeted, whole
from gradscope.memory_use.budget import Budget
from gradscope.memory_use.whole import Wanted, compared


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.up, self.down = nn.Linear(16, 64), nn.Linear(64, 16)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.down(torch.tanh(self.up(x)))


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block() for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return x.square().mean()


class Energy(Net):
    """A forward that differentiates."""

    def forward(self, x: Tensor) -> Tensor:
        x.requires_grad_()
        (gradient,) = torch.autograd.grad(super().forward(x), x, create_graph=True)
        return gradient.square().mean()


def work_of(net: nn.Module, *shape: int) -> Work:
    return Work(
        subject=net,
        name="net",
        inputs=Inputs((torch.randn(*shape),)),
        find=find_loss(None),
        placement=choose_placement(Options(device="cpu")),
    )


def told(net: nn.Module, wanted: Wanted, **use: Any) -> MemoryUse:
    return compared(work_of(net, 256, 16), MemoryUse("cpu", (), **use), wanted, lambda _text: None)[0]


def test_a_plan_is_never_slower_than_what_was_measured_and_fits() -> None:
    memory = told(Net(), Wanted(Budget(share=0.9)))
    assert memory.plan is not None
    plan = memory.plan.strategy
    assert plan is not None
    assert plan.time_ratio is not None
    assert memory.strategies[-1] is plan
    fit = [
        each for each in memory.strategies[:-1] if each.peak is not None and each.peak <= memory.plan.budget
    ]
    assert fit
    assert all(each.time_ratio is not None and plan.time_ratio <= each.time_ratio for each in fit)
    assert memory.recommended is StrategyKind.PLAN


def test_a_faster_way_in_the_place_of_the_plan_is_predicted_too(monkeypatch: pytest.MonkeyPatch) -> None:
    compare = budgeted.compare

    def slow_plan(*arguments: Any, **named: Any) -> Any:
        found = compare(*arguments, **named)
        plain, plan = found.strategies
        return replace(found, strategies=(plain, replace(plan, time_ratio=9.0)))

    monkeypatch.setattr(budgeted, "compare", slow_plan)
    memory = told(Net(), Wanted(Budget(share=0.8)))
    assert memory.plan is not None
    plan = memory.plan.strategy
    assert plan is not None
    assert plan.choices in [each.choices for each in memory.strategies[:-1]]
    assert plan.peak is not None
    assert plan.predicted_peak == pytest.approx(plan.peak, rel=0.02)
    assert plan.predicted_time_ratio is not None


def test_a_budget_that_a_plain_step_keeps_to_needs_no_code() -> None:
    memory = told(Net(), Wanted(Budget(share=1.0)))
    assert memory.plan is not None
    assert memory.plan.strategy is not None
    assert set(memory.plan.strategy.choices) == {"none"}
    assert memory.code is None


def test_a_step_that_cannot_be_traced_is_planned_from_what_was_measured() -> None:
    memory = told(Energy(), Wanted(Budget(share=2.0)))
    assert memory.plan is not None
    assert memory.plan.strategy is not None
    assert memory.plan.assumptions == (
        "only the usual ways were tried, as its forward runs a backward of its own",
    )


def test_a_plain_step_that_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    measure = whole.compare.__globals__["measure"]

    def out_of_memory(work: Work, blocks: Any = (), choices: Any = (), *rest: Any) -> Any:
        if set(choices) == {"none"}:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return measure(work, blocks, choices, *rest)

    monkeypatch.setitem(whole.compare.__globals__, "measure", out_of_memory)
    memory = told(Net(), Wanted(Budget(size=400_000)))
    plain, every, *_ = memory.strategies
    assert plain.failure == "ran out of memory: CUDA out of memory"
    assert every.peak is not None
    assert memory.plan is not None
    assert memory.plan.strategy is not None
    assert memory.plan.strategy.peak is not None
    assert memory.plan.strategy.peak <= 400_000
    with pytest.raises(UsageError, match="a share is one of the peak without checkpointing"):
        told(Net(), Wanted(Budget(share=0.5)))


def test_the_peak_has_what_the_allocator_gave_out_within_ops() -> None:
    peak = MemoryPeak(10, MemoryPhase.BACKWARD, {MemoryKind.PARAMETER: 10})
    other = MemoryPeak(5, MemoryPhase.FORWARD, {MemoryKind.PARAMETER: 5})
    memory = compared(work_of(Net(), 256, 16), MemoryUse("cpu", (other, peak)), Wanted(), lambda _text: None)[
        0
    ]
    plain = memory.strategies[0]
    assert memory.peak is not None
    assert memory.peak.size == plain.peak
    assert sum(memory.peak.kinds.values()) == plain.peak
    assert memory.peaks[0] == other or memory.peaks[1] == peak


def test_nothing_to_checkpoint() -> None:
    lonely = compared(work_of(nn.Linear(16, 1), 8, 16), MemoryUse("cpu", ()), Wanted(), lambda _text: None)[0]
    assert lonely.strategies == ()
    assert lonely.not_compared is not None
    with pytest.raises(UsageError, match="there is nothing to plan"):
        compared(
            work_of(nn.Linear(16, 1), 8, 16),
            MemoryUse("cpu", ()),
            Wanted(Budget(size=10)),
            lambda _text: None,
        )
