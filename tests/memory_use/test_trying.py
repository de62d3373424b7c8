"""Blocks that cannot be checkpointed are found, say why, and the others go on."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from gradscope.memory_use.agreed import BLOCK, NONE, SELECTIVE
from gradscope.memory_use.blocks import find_blocks
from gradscope.memory_use.trying import Tried, try_blocks
from tests.memory_use.works import (
    Changing,
    Counting,
    Leaping,
    Residual,
    Transformer,
    stack,
    tokens,
    transformer,
    unet,
    work_of,
)


def tried(work: Any) -> Tried:
    return try_blocks(work, find_blocks(work))


def test_all_options_of_sound_blocks_stay() -> None:
    for work in (transformer(), unet(), transformer(shared=True)):
        found = tried(work)
        assert found.blocks == find_blocks(work)
        assert not found.reference.unstable
        assert not found.notes


def test_a_counter_in_python_is_named() -> None:
    work = stack(Residual, Counting, Residual, Residual, Counting)
    found = tried(work)
    reasons = [block.reason for block in found.blocks]
    told = (
        "recomputed, it gives other gradients: its forward changes self.calls, "
        "which the recomputation finds changed"
    )
    assert reasons == [None, told, None, None, told]
    assert [block.options for block in found.blocks if block.reason] == [(NONE,), (NONE,)]
    assert not found.reference.unstable


def test_the_modules_are_as_they_were() -> None:
    work = stack(Counting, Residual)
    blocks = find_blocks(work)
    before = [dict(vars(module)) for module in work.subject.modules()]
    try_blocks(work, blocks)
    assert [vars(module) for module in work.subject.modules()] == before
    assert all(each.grad is None for each in work.subject.parameters())


def test_pythons_random_numbers_are_named() -> None:
    random.seed(0)
    found = tried(stack(Residual, Leaping, Residual))
    (reason,) = [block.reason for block in found.blocks if block.reason]
    assert reason == "its forward draws from Python's random, and a checkpoint does not rewind that"
    assert found.blocks[1].options == (NONE,)


def test_random_numbers_that_did_not_matter_this_time() -> None:
    class Sometimes(Residual):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(-x if random.random() < 0.0 else x)

    assert all("Python's random" in (block.reason or "") for block in tried(stack(Sometimes)).blocks)


def test_a_generator_of_its_own_is_named() -> None:
    class Drawing(Residual):
        def __init__(self) -> None:
            super().__init__()
            self.source = torch.Generator()

        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) * torch.rand(x.shape, generator=self.source)

    found = tried(stack(Drawing, Residual))
    assert found.blocks[0].reason == (
        "its forward draws from its own generator, source, and a checkpoint does not rewind that"
    )


def test_an_argument_that_is_changed_in_place() -> None:
    class Halving(Residual):
        def forward(self, x: Tensor, *, scale: Tensor) -> Tensor:
            return super().forward(x * (scale + 0.0))

    class Outer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.blocks = nn.ModuleList([Halving(), Halving()])

        def forward(self, x: Tensor) -> Tensor:
            scale = torch.ones(8)
            for block in self.blocks:
                x = block(x, scale=scale)
                scale.mul_(0.5)
            return x

    found = tried(work_of(Outer(), torch.randn(4, 8)))
    assert [block.reason for block in found.blocks] == [
        "recomputed, it gives other gradients: "
        "a tensor that it is called with is changed in place, in its forward or after it"
    ] * 2

    class Spoiling(Residual):
        def forward(self, x: Tensor) -> Tensor:
            y = super().forward(x * 2.0)
            x.mul_(0.5)
            return y

    spoiling = work_of(nn.Sequential(Residual(), nn.Linear(8, 8), Spoiling()), torch.randn(4, 8))
    found = try_blocks(spoiling, find_blocks(spoiling, ["2"]))
    assert found.blocks[0].reason == (
        "its recomputation would begin with an input that was changed in place since"
    )


def test_an_option_that_fails_is_taken_away_alone() -> None:
    found = tried(stack(Changing, Residual, Changing))
    assert [block.options[:3] for block in found.blocks] == [
        (NONE, BLOCK),
        (NONE, BLOCK, SELECTIVE),
        (NONE, BLOCK),
    ]
    assert all(block.reason is None for block in found.blocks)
    (note,) = found.notes
    assert note.startswith("blocks.0 and 1 more cannot be checkpointed selectively: recomputed, it raises")


def test_blocks_that_raise() -> None:
    class Once(Residual):
        def forward(self, x: Tensor) -> Tensor:
            if x.grad_fn is None and not torch.is_grad_enabled():
                return x
            if getattr(self, "done", False):
                raise ValueError("once is enough")
            self.done = True
            return super().forward(x)

    found = tried_without_watching(stack(Residual, Once, Residual))
    assert found.blocks[1].reason == (
        "recomputed, it raises ValueError: once is enough: its forward changes self.done, "
        "which the recomputation finds changed"
    )


def tried_without_watching(work: Any) -> Tried:
    blocks = find_blocks(work)
    for block in blocks:
        vars(block.module).pop("done", None)
    return try_blocks(work, blocks)


def test_steps_that_differ_already_are_no_blocks_fault() -> None:
    class Noisy(Residual):
        noise = torch.Generator().manual_seed(0)

        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x * torch.rand(x.shape, generator=self.noise))

    found = tried(stack(Noisy, Residual))
    assert found.reference.unstable
    assert [block.reason for block in found.blocks] == [None, None]


def test_a_cache_that_blocks_fill() -> None:
    class Cache:
        def __init__(self) -> None:
            self.keys: list[Tensor] = []

    class Filling(Residual):
        def forward(self, x: Tensor, cache: Cache) -> Tensor:
            cache.keys.append(self.linear(x))
            return torch.tanh(cache.keys[-1])

    class Filled(nn.Module):
        def __init__(self, use_cache: bool) -> None:
            super().__init__()
            self.blocks = nn.ModuleList([Filling(), Filling()])
            self.config = type("Config", (), {"use_cache": use_cache})

        def forward(self, x: Tensor) -> Tensor:
            cache = Cache()
            for block in self.blocks:
                x = block(x, cache=cache)
            return x

    (note,) = tried(work_of(Filled(True), torch.randn(4, 8))).notes
    assert note.startswith("use_cache=True keeps keys and values of every block in one Cache")
    assert note.endswith("set model.config.use_cache = False for training")
    (note,) = tried(work_of(Filled(False), torch.randn(4, 8))).notes
    assert note.startswith("the blocks fill one Cache that they are called with")


def test_on_fake_tensors_only_errors_are_found() -> None:
    with FakeTensorMode():
        found = tried(work_of(Transformer(2), tokens()))
    assert found.reference.gradients is None
    assert found.reference.failure == "there are no gradients on fake tensors"
    assert SELECTIVE in found.blocks[0].options


def test_a_plain_step_that_raises_is_the_programs_own_error() -> None:
    class Broken(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(8, 8)

        def forward(self, x: Tensor) -> Tensor:
            y = torch.exp(self.linear(x))
            y.data.add_(1)
            y.add_(1)
            return y

    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        try_blocks(work_of(Broken(), torch.randn(4, 8)), ())


def test_a_hook_on_a_tensor_needs_a_graph() -> None:
    class Hooked(Residual):
        def forward(self, x: Tensor) -> Tensor:
            y = super().forward(x)
            y.register_hook(lambda gradient: 0.5 * gradient)
            return y

    subject = stack(Hooked, Hooked)
    for work in (subject, work_of(lambda x: subject.subject(x), torch.randn(4, 8))):
        assert [block.options[:2] for block in tried(work).blocks] == [(NONE, BLOCK)] * 2


class Counted(nn.Module):
    """Counts its calls, which changes nothing that it computes."""

    def __init__(self) -> None:
        super().__init__()
        self.up, self.down = nn.Linear(8, 32), nn.Linear(32, 8)
        self.calls, self.last, self.widest = 0, None, 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.last, self.widest = x.detach(), x.shape[-1]
        return x + self.down(torch.tanh(self.up(x)))


def test_what_is_counted_twice_is_noted_and_left_as_it_was() -> None:
    net = nn.Sequential(*(Counted() for _ in range(3)))
    work = work_of(net, torch.randn(32, 8))
    tried = try_blocks(work, find_blocks(work))
    assert [block.reason for block in tried.blocks] == [None] * 3
    (note,) = tried.notes
    assert note.startswith("the forward of 0 and of 2 more blocks changes self.calls every time: ")
    assert [module.calls for module in net] == [0, 0, 0]
