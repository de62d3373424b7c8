"""Blocks are checkpointed without a trace, and a step with them gives what a plain one gives."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from gradscope.loader.work import Work
from gradscope.memory_use.agreed import BLOCK, NONE, SELECTIVE, BlockModule, Choices
from gradscope.memory_use.blocks import find_blocks
from gradscope.memory_use.checkpointing import Recomputing, applied
from gradscope.memory_use.gradients import compared, gradients_of
from tests.memory_use.works import (
    Averaging,
    Residual,
    recurrent,
    stack,
    transformer,
    unet,
    work_of,
)

WORKS = [transformer, unet, recurrent, lambda: transformer(shared=True)]


def chosen(blocks: tuple[BlockModule, ...], option: str) -> Choices:
    """That option for every block, or the whole block where it has no such option."""
    return tuple(option if option in block.options else BLOCK for block in blocks)


@pytest.mark.parametrize("make", WORKS)
@pytest.mark.parametrize("option", [BLOCK, SELECTIVE, "attn", "pool"])
def test_gradients_and_buffers_are_those_of_a_plain_step(make: Callable[[], Work], option: str) -> None:
    work = make()
    blocks = find_blocks(work)
    plain = gradients_of(work)
    buffers = copy.deepcopy(dict(work.subject.named_buffers()))
    checkpointed = gradients_of(work, blocks, chosen(blocks, option))
    assert compared(plain, checkpointed).names == ()
    for name, buffer in work.subject.named_buffers():
        assert torch.equal(buffer, buffers[name]), name


def test_buffers_are_not_touched_by_a_recomputation() -> None:
    work = unet()
    blocks = find_blocks(work)
    own = {name: id(buffer) for name, buffer in work.subject.named_buffers()}
    with applied(blocks, (BLOCK,) * len(blocks)) as recomputing, work.again():
        loss = work.forward()
        versions = [buffer._version for buffer in work.subject.buffers()]
        loss.backward()
    assert recomputing.regions == len(blocks)
    assert [buffer._version for buffer in work.subject.buffers()] == versions
    assert {name: id(buffer) for name, buffer in work.subject.named_buffers()} == own


def test_without_the_buffers_of_the_block_they_would_change_twice() -> None:
    work = unet()
    blocks = find_blocks(work)
    careless = tuple(BlockModule(each.root, each.path, each.module) for each in blocks)
    gradients_of(work)
    once = [buffer.clone() for buffer in work.subject.buffers()]
    gradients_of(work, careless, (BLOCK,) * len(blocks))
    assert not all(map(torch.equal, once, work.subject.buffers()))


def test_a_buffer_has_the_value_of_the_forward_when_it_is_recomputed() -> None:
    work = stack(Averaging, Averaging)
    blocks = find_blocks(work)
    plain = gradients_of(work)
    assert compared(plain, gradients_of(work, blocks, (BLOCK, SELECTIVE))).names == ()
    careless = tuple(BlockModule(each.root, each.path, each.module) for each in blocks)
    assert compared(plain, gradients_of(work, careless, (BLOCK, BLOCK))).names


def test_a_graph_that_is_retained_is_recomputed_twice() -> None:
    work = unet()
    blocks = find_blocks(work)
    with applied(blocks, (BLOCK,) * len(blocks)) as recomputing, work.again():
        loss = work.forward()
        loss.backward(retain_graph=True)
        first = [each.grad.clone() for each in work.subject.parameters()]
        loss.backward()
    assert recomputing.regions == 2 * len(blocks)
    assert all(
        torch.equal(each.grad, 2 * one) for each, one in zip(work.subject.parameters(), first, strict=True)
    )


def test_it_leaves_no_trace() -> None:
    work = transformer()
    names = list(dict(work.subject.named_parameters()))
    blocks = find_blocks(work)
    before = [dict(vars(module)) for module in work.subject.modules()]
    with applied(blocks, (BLOCK, NONE, "attn", SELECTIVE)):
        assert list(dict(work.subject.named_parameters())) == names
        assert "forward" in vars(blocks[0].module)
        assert "forward" not in vars(blocks[1].module)
        assert "forward" in vars(blocks[2].module.attn)
    assert [vars(module) for module in work.subject.modules()] == before


def test_a_forward_that_the_instance_has_is_put_back() -> None:
    work = stack(Residual, Residual)
    block = work.subject.blocks[0]
    calls: list[Tensor] = []
    original = block.forward

    def mine(x: Tensor) -> Tensor:
        calls.append(x)
        return original(x)

    block.forward = mine
    blocks = find_blocks(work)
    calls.clear()
    gradients_of(work, blocks, (BLOCK, BLOCK))
    assert len(calls) == 2  # the forward and its recomputation
    assert vars(block)["forward"] is mine


def test_recomputed_ops_can_be_told() -> None:
    seen: list[bool] = []

    class Telling(Residual):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(bool(recomputing))
            return super().forward(x)

    work = stack(Telling, Telling)
    recomputing: Recomputing | None = None
    blocks = find_blocks(work)
    seen.clear()
    with applied(blocks, (BLOCK, NONE)) as found:
        recomputing = found
        work.step(lambda: None, lambda: None, lambda: None)
        assert not recomputing
    assert seen == [False, False, True]
    assert recomputing.regions == 1
    assert recomputing.seconds > 0


def test_autocast_and_nested_arguments() -> None:
    class Nested(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(8, 8)

        def forward(
            self, inputs: dict[str, list[Tensor]], *, scale: tuple[Tensor, float]
        ) -> dict[str, list[Tensor]]:
            x, y = inputs["x"]
            return {"x": [torch.tanh(self.linear(x)) * scale[1], y * scale[0]]}

    class Outer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.blocks = nn.ModuleList([Nested(), Nested()])

        def forward(self, x: Tensor) -> Tensor:
            with torch.autocast("cpu", torch.bfloat16):
                inputs = {"x": [x, x]}
                for block in self.blocks:
                    inputs = block(inputs, scale=(x, 0.5))
            return inputs["x"][0] + inputs["x"][1]

    torch.manual_seed(0)
    work = work_of(Outer(), torch.randn(4, 8))
    blocks = find_blocks(work)
    assert len(blocks) == 2
    plain = gradients_of(work)
    assert compared(plain, gradients_of(work, blocks, (BLOCK, SELECTIVE))).names == ()
