"""One plain step, traced: what is born when, what a node keeps of it, and the calls of the blocks."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gradscope.facts import MemoryKind
from gradscope.loader.work import Work
from gradscope.memory_use.agreed import BLOCK, NONE, SELECTIVE, BlockModule
from gradscope.memory_use.blocks import find_blocks
from gradscope.memory_use.measuring import measure
from gradscope.memory_use.step_trace import NotTraceableError, trace_step
from gradscope.memory_use.traced import NEVER
from tests.memory_use.works import Stack, recurrent, transformer, unet, work_of

FLOAT = 4


class Squash(nn.Module):
    """A product, whose result tanh saves again as its own."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.linear = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.linear(x))


def squashes(count: int = 3) -> Work:
    torch.manual_seed(0)
    return work_of(Stack(*[Squash() for _ in range(count)]), torch.randn(128, 64))


SIZE = 128 * 64 * FLOAT


def test_calls_begin_and_stop_where_they_save() -> None:
    work = squashes()
    trace = trace_step(work, find_blocks(work))
    assert [(call.block, call.option) for call in trace.calls] == [(0, BLOCK), (1, BLOCK), (2, BLOCK)]
    for call in trace.calls:
        assert call.end - call.begin == 2  # the product and its tanh
        assert call.stop == call.end  # tanh saves its result
        assert [trace.sizes[each] for each in call.inputs] == [SIZE]
        assert call.products == (call.begin,)
    first, second, _ = trace.calls
    assert second.inputs == (first.begin + 1,)


def test_what_nothing_keeps_dies_at_once() -> None:
    work = squashes()
    trace = trace_step(work, find_blocks(work))
    for call in trace.calls:
        product, output = call.begin, call.begin + 1
        assert trace.let_go[product] == output + 1
        saved = [pack for pack in trace.packs if pack.storage == output]
        assert len(saved) == 2 if call.block < 2 else 1  # by tanh, and by the next block's product
        assert not [pack for pack in trace.packs if pack.storage == product]
        assert all(trace.turns <= pack.unpacked < pack.released for pack in saved)
        last = max(pack.released for pack in saved)
        assert trace.deaths[output] == last + 1
        assert trace.kinds[output] is MemoryKind.SAVED


def test_the_backward_goes_through_the_calls_in_reverse() -> None:
    work = transformer()
    trace = trace_step(work, find_blocks(work))
    first: dict[int, int] = {}
    for pack in trace.packs:
        for number in pack.calls:
            if trace.calls[number].option == BLOCK:
                block = trace.calls[number].block
                first[block] = min(first.get(block, trace.events), pack.unpacked)
    assert sorted(first, key=first.__getitem__) == [3, 2, 1, 0]


def test_a_mask_that_all_blocks_are_given_is_an_input_of_each() -> None:
    work = transformer()
    trace = trace_step(work, find_blocks(work))
    inputs = [set(call.inputs) for call in trace.calls if call.option == BLOCK]
    assert len(inputs) == 4
    assert len(set.intersection(*inputs)) == 1


def test_every_call_of_a_shared_block_is_seen() -> None:
    work = transformer(shared=True)
    blocks = find_blocks(work)
    trace = trace_step(work, blocks)
    assert len(blocks) == 1
    assert sum(call.option == BLOCK for call in trace.calls) == 4


def test_an_object_that_blocks_fill_is_kept_whole_by_each() -> None:
    class Cache:
        def __init__(self) -> None:
            self.kept: list[Tensor] = []

    class Filling(Squash):
        def forward(self, x: Tensor, cache: Any = None) -> Tensor:
            x = super().forward(x)
            cache.kept.append(x * 2)
            return x

    class Caching(Stack):
        def forward(self, x: Tensor) -> Tensor:
            cache = Cache()
            for block in self.blocks:
                x = block(x, cache=cache)
            return x

    work = work_of(Caching(Filling(), Filling(), Filling()), torch.randn(128, 64))
    trace = trace_step(work, find_blocks(work))
    assert [len(call.inputs) for call in trace.calls] == [4, 4, 4]  # x, and what the cache has in the end


def test_the_plain_curve_is_what_is_measured() -> None:
    work = unet()
    trace = trace_step(work, find_blocks(work))
    alive = most = 0
    changes = [0] * (trace.events + 1)
    for size, birth, death in zip(trace.sizes, trace.births, trace.deaths, strict=True):
        changes[birth] += size
        changes[death if death != NEVER else trace.events] -= size
    for change in changes:
        alive += change
        most = max(most, alive)
    measured = measure(work)
    inputs = sum(each.untyped_storage().nbytes() for each in work.inputs.tensors())
    assert most in (measured.tensors, measured.tensors - inputs)


def test_memory_within_ops_is_seen() -> None:
    work = recurrent()
    trace = trace_step(work, find_blocks(work))
    assert trace.scratch
    assert any(one.event > trace.turns for one in trace.scratch)
    assert [one.birth for one in trace.scratch] == sorted(one.birth for one in trace.scratch)


def test_nothing_is_left_behind() -> None:
    work = transformer()
    blocks = find_blocks(work)
    trace_step(work, blocks)
    assert all("forward" not in vars(block.module) for block in blocks)
    assert all(parameter.grad is None for parameter in work.subject.parameters())


def test_a_forward_of_ones_own_is_put_back() -> None:
    work = squashes()
    blocks = find_blocks(work)
    own = blocks[0].module.forward
    blocks[0].module.forward = lambda x: own(x) * 2  # type: ignore[method-assign]  # as libraries do
    mine = blocks[0].module.forward
    trace = trace_step(work, blocks)
    assert blocks[0].module.forward is mine
    assert trace.calls[0].end - trace.calls[0].begin == 3


def test_modules_inside_blocks_have_calls_of_their_own() -> None:
    work = transformer()
    blocks = tuple(
        BlockModule(0, f"layers.{number}", layer, (NONE, BLOCK, SELECTIVE, "attn", "mlp"))
        for number, layer in enumerate(work.subject.layers)
    )
    trace = trace_step(work, blocks)
    assert [call.option for call in trace.calls] == [BLOCK, "attn", "mlp"] * 4
    whole, attention, mlp = trace.calls[:3]
    assert whole.begin < attention.begin < attention.end < mlp.begin < mlp.end < whole.end
    assert any(pack.calls == (0, 1) for pack in trace.packs)
    assert any(pack.calls == (0,) for pack in trace.packs)


class Penalised(nn.Module):
    """Differentiates in its forward."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(Squash(), Squash())

    def forward(self, x: Tensor) -> Tensor:
        x = x.detach().requires_grad_()
        y = self.blocks(x).sum()
        (gradient,) = torch.autograd.grad(y, x, create_graph=True)
        return y + gradient.square().mean()


class Growing(nn.Module):
    """Does more work every time."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)
        times = itertools.count(1)
        self.next = lambda: next(times)

    def forward(self, x: Tensor) -> Tensor:
        return sum((self.linear(x) for _ in range(self.next())), torch.zeros(()))


@pytest.mark.parametrize(
    ("subject", "width", "why"),
    [(Penalised(), 64, "runs a backward of its own"), (Growing(), 8, "the same memory every time")],
)
def test_what_cannot_be_traced_says_why(subject: nn.Module, width: int, why: str) -> None:
    work = work_of(subject, torch.randn(4, width))
    with pytest.raises(NotTraceableError, match=why):
        trace_step(work, ())


def test_what_is_made_once_and_kept_is_no_hindrance() -> None:
    class Lazy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(8, 8)
            self.table: Tensor | None = None

        def forward(self, x: Tensor) -> Tensor:
            if self.table is None:
                self.table = torch.ones(8)
            return self.linear(x) * self.table

    work = work_of(Lazy(), torch.randn(4, 8))
    assert trace_step(work, ()).events


def test_where_hooks_are_forbidden_it_says_so() -> None:
    class Forbidding(Squash):
        def forward(self, x: Tensor) -> Tensor:
            with torch.autograd.graph.disable_saved_tensors_hooks("saved tensor hooks are not for this"):
                return super().forward(x)

    work = work_of(Stack(Forbidding(), Forbidding()), torch.randn(4, 64))
    with pytest.raises(NotTraceableError, match="hooks"):
        trace_step(work, ())


def test_weights_that_autocast_converts_are_known() -> None:
    work = squashes(2)
    work.placement = type(work.placement)(torch.device("cpu"), True, None, torch.bfloat16, None)
    trace = trace_step(work, find_blocks(work))
    assert sorted(trace.sizes[each] for each in trace.casts) == [128, 128, 64 * 64 * 2, 64 * 64 * 2]
