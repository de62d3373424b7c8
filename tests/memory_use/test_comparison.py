"""Ways of checkpointing side by side: memory, time, and gradients bit by bit."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from gradscope.facts import Gradients, Strategy, StrategyKind
from gradscope.memory_use.agreed import BLOCK, NONE, SELECTIVE, Choices
from gradscope.memory_use.blocks import find_blocks
from gradscope.memory_use.comparison import Comparison, compare, usual_choices
from gradscope.memory_use.gradients import Reference, compared
from gradscope.memory_use.trying import Tried, try_blocks
from tests.memory_use.works import (
    Counting,
    Residual,
    Transformer,
    recurrent,
    stack,
    tokens,
    transformer,
    unet,
    work_of,
)


def comparison(work: Any, extra: dict[StrategyKind, Choices] | None = None) -> Comparison:
    return compared_usually(work, try_blocks(work, find_blocks(work)), extra)


def compared_usually(work: Any, tried: Tried, extra: dict[StrategyKind, Choices] | None = None) -> Comparison:
    return compare(work, tried, {**usual_choices(tried.blocks), **(extra or {})}, seconds=0)


def by_kind(found: Comparison) -> dict[StrategyKind, Strategy]:
    return {strategy.kind: strategy for strategy in found.strategies}


def test_the_strategies_of_a_transformer() -> None:
    plan = (NONE, "attn", SELECTIVE, BLOCK)
    found = comparison(transformer(), {StrategyKind.PLAN: plan})
    strategies = by_kind(found)
    assert {kind: strategy.choices for kind, strategy in strategies.items()} == {
        StrategyKind.NONE: (NONE,) * 4,
        StrategyKind.EVERY_BLOCK: (BLOCK,) * 4,
        StrategyKind.EVERY_SECOND: (NONE, BLOCK, NONE, BLOCK),
        StrategyKind.SELECTIVE: (SELECTIVE,) * 4,
        StrategyKind.PLAN: plan,
    }
    none = strategies.pop(StrategyKind.NONE)
    assert none.gradients is Gradients.REFERENCE
    assert (none.time_ratio, none.recomputed) == (1.0, 0.0)
    assert found.step_seconds is not None
    for strategy in strategies.values():
        assert strategy.gradients is Gradients.IDENTICAL
        assert strategy.peak is not None
        assert strategy.saved is not None
        assert none.saved is not None
        assert strategy.saved < none.saved
        assert strategy.time_ratio is not None
        assert strategy.recomputed is not None
        assert 0 < strategy.recomputed <= 1
    saved = {kind: strategy.saved for kind, strategy in strategies.items()}
    assert saved[StrategyKind.EVERY_BLOCK] < saved[StrategyKind.SELECTIVE]
    assert saved[StrategyKind.EVERY_BLOCK] < saved[StrategyKind.EVERY_SECOND]


def test_batch_norm_and_recurrent_layers() -> None:
    for work in (unet(), recurrent()):
        before = {name: buffer.clone() for name, buffer in work.subject.named_buffers()}
        strategies = comparison(work).strategies
        assert {each.gradients for each in strategies[1:]} == {Gradients.IDENTICAL}
        with work.again():
            pass
        assert all(torch.equal(buffer, before[name]) for name, buffer in work.subject.named_buffers())


def test_blocks_that_share_parameters() -> None:
    strategies = by_kind(comparison(transformer(shared=True)))
    assert StrategyKind.EVERY_SECOND not in strategies  # one block, called again and again
    assert strategies[StrategyKind.EVERY_BLOCK].gradients is Gradients.IDENTICAL


def test_a_block_that_cannot_be_checkpointed_is_left_out() -> None:
    work = stack(Residual, Counting, Residual, Residual)
    strategies = by_kind(comparison(work))
    assert strategies[StrategyKind.EVERY_BLOCK].choices == (BLOCK, NONE, BLOCK, BLOCK)
    assert strategies[StrategyKind.EVERY_SECOND].choices == (NONE, NONE, BLOCK, NONE)
    assert {each.gradients for each in strategies.values()} == {Gradients.REFERENCE, Gradients.IDENTICAL}


def test_gradients_that_differ_are_named() -> None:
    work = stack(Residual, Counting, Residual)
    blocks = find_blocks(work)
    untried = Tried(blocks, try_blocks(work, ()).reference)
    plan = by_kind(compared_usually(work, untried, {StrategyKind.PLAN: (NONE, BLOCK, NONE)}))[
        StrategyKind.PLAN
    ]
    assert plan.gradients is Gradients.DIFFERENT
    assert plan.different == (
        "blocks.0.linear.weight",
        "blocks.0.linear.bias",
        "blocks.1.linear.weight",
        "blocks.1.linear.bias",
    )
    assert plan.largest_difference is not None
    assert plan.largest_difference > 1e-3


def test_steps_that_are_not_reproducible() -> None:
    class Noisy(Residual):
        noise = torch.Generator().manual_seed(0)

        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x * torch.rand(x.shape, generator=self.noise))

    strategies = comparison(stack(Noisy, Noisy)).strategies
    assert {each.gradients for each in strategies} == {Gradients.NOT_REPRODUCIBLE}


class Greedy(Residual):
    """Asks for more memory than there is where it is recomputed, or always."""

    always = False

    def forward(self, x: Tensor) -> Tensor:
        if self.always or torch._C._current_graph_task_id() != -1:
            x = x + torch.empty(1 << 50).sum()
        return super().forward(x)


def test_a_strategy_that_runs_out_of_memory_is_not_the_end() -> None:
    work = stack(Greedy, Greedy)
    found = comparison(work)
    plain, *others = found.strategies
    assert plain.failure is None
    assert found.step_seconds is not None
    for strategy in others:
        assert strategy.failure is not None
        assert strategy.failure.startswith("ran out of memory: ")
        assert strategy.peak is None
        assert strategy.gradients is Gradients.NOT_COMPARED
    assert all(each.grad is None for each in work.subject.parameters())


def test_a_model_that_does_not_fit_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    work = stack(Greedy, Greedy)
    blocks = find_blocks(work)
    monkeypatch.setattr(Greedy, "always", True)
    tried = try_blocks(work, blocks)
    assert tried.blocks == blocks
    assert tried.reference.failure is not None
    found = compared_usually(work, tried)
    assert all(each.failure and each.gradients is Gradients.NOT_COMPARED for each in found.strategies)
    assert found.step_seconds is None


def test_memory_that_runs_out_while_steps_are_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    def out_of_memory(*_args: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("gradscope.memory_use.comparison.time_steps", out_of_memory)
    found = comparison(stack(Residual, Residual))
    assert found.step_seconds is None
    assert all(each.peak is not None and each.time_ratio is None for each in found.strategies)


def test_fake_tensors_are_not_timed() -> None:
    with FakeTensorMode():
        found = comparison(work_of(Transformer(2), tokens()))
    assert found.step_seconds is None
    assert all(each.time_ratio is None for each in found.strategies)
    assert all(each.gradients is Gradients.NOT_COMPARED for each in found.strategies)
    assert all(each.peak is not None for each in found.strategies)


def test_nothing_to_checkpoint() -> None:
    assert usual_choices(()) == {StrategyKind.NONE: ()}
    (none,) = comparison(work_of(nn.Linear(4, 2), torch.randn(3, 4))).strategies
    assert none.gradients is Gradients.REFERENCE


@pytest.mark.parametrize(
    ("one", "other", "differs"),
    [
        (torch.tensor([1.0, float("nan")]), torch.tensor([1.0, float("nan")]), None),
        (torch.tensor([0.0]), torch.tensor([-0.0]), float("inf")),
        (torch.tensor([3.0, 4.0]), torch.tensor([3.0, 4.5]), 0.1),
        (torch.tensor(2.0), torch.tensor(1.0), 0.5),
        (torch.tensor([2j]), torch.tensor([1j]), 0.5),
        (torch.tensor([1.0]), None, float("inf")),
        (None, None, None),
        (torch.zeros(0), torch.zeros(0), None),
    ],
)
def test_bit_by_bit(one: Tensor | None, other: Tensor | None, differs: float | None) -> None:
    found = compared({"w": one}, {"w": other})
    assert found.names == (() if differs is None else ("w",))
    assert found.largest == (None if differs is None else pytest.approx(differs))
    assert Reference().gradients is None
