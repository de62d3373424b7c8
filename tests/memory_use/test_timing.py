"""Steps are timed in turn with plain ones."""

from __future__ import annotations

import torch
from torch import Tensor

from gradscope.memory_use import timing
from gradscope.memory_use.agreed import BLOCK, NONE
from gradscope.memory_use.blocks import find_blocks
from tests.memory_use.works import Counting, Residual, stack, transformer


def test_rounds_and_their_turns() -> None:
    order: list[str] = []

    class Noting(Residual):
        def forward(self, x: Tensor) -> Tensor:
            if torch._C._current_graph_task_id() == -1:
                order.append("plain" if "forward" not in vars(self) else "checkpointed")
            return super().forward(x)

    work = stack(Noting, Residual)
    blocks = find_blocks(work, ["blocks.*"])
    order.clear()
    times = timing.time_steps(work, blocks, [(BLOCK, NONE), (NONE, BLOCK)], seconds=0)
    first, second = "checkpointed", "plain"  # as the first block sees the two strategies
    assert order == ["plain", *("plain", first, second), *("plain", second, first), *("plain", first, second)]
    assert len(times.ratios) == len(times.recomputed) == 2
    assert times.plain > 0
    assert all(0 < share <= 1 for share in times.recomputed)
    assert all(each.grad is None for each in work.subject.parameters())


def test_blocks_are_part_of_the_forward() -> None:
    work = transformer()
    times = timing.time_forward(work, find_blocks(work))
    assert len(times.blocks) == 4
    assert all(seconds > 0 for seconds in times.blocks)


def test_modules_are_as_they_were() -> None:
    work = stack(Counting, Residual)
    blocks = find_blocks(work)
    before = work.subject.blocks[0].calls
    timing.time_steps(work, blocks, [(NONE, BLOCK)], seconds=0)
    timing.time_forward(work, blocks)
    assert work.subject.blocks[0].calls == before
    assert not any(module._forward_hooks for module in work.subject.modules())
