"""The predicted peak is the measured one, whatever is chosen."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx

from gradscope.facts import MemoryKind
from gradscope.folds.storages import StorageLog
from gradscope.loader.work import Work, make_optimizer
from gradscope.memory_use.agreed import BLOCK, NONE, SELECTIVE, BlockModule, Choices
from gradscope.memory_use.blocks import find_blocks
from gradscope.memory_use.checkpointing import applied
from gradscope.memory_use.fakes import faked
from gradscope.memory_use.measuring import hold_all, measure
from gradscope.memory_use.prediction import Prediction
from gradscope.memory_use.step_trace import trace_step
from gradscope.memory_use.traced import NEVER, Call, Pack, StepTrace
from gradscope.recorder.memory.storages import LiveStorages
from tests.memory_use.works import DoubleConv, Recurrent, Stack, Transformer, UNet, work_of

# ------------------------------------------------------------ by hand


def by_hand() -> StepTrace:
    """Two blocks, each a product (10 bytes) and its activation (20), which it saves.

    The first block is given 0. The forward turns at event 8.
    """
    #       0 given  1 product  2 saved  3 product  4 saved  5 loss   6, 7 gradients of the activations
    sizes = (5, 10, 20, 10, 20, 1, 20, 20)
    births = (0, 1, 2, 4, 5, 7, 10, 14)
    deaths = (18, 3, 17, 6, 13, 19, 15, 19)
    let_go = (1, 3, 4, 5, 6, NEVER)
    packs = (
        Pack(0, (0,), 16, 17),  # the first product saves what it is given
        Pack(2, (0,), 12, 16),
        Pack(2, (1,), 12, 12),
        Pack(4, (1,), 9, 12),
    )
    calls = (Call(0, BLOCK, 1, 3, 3, (0,), (1,)), Call(1, BLOCK, 3, 5, 5, (2,), (3,)))
    kinds = (MemoryKind.INPUT, *[MemoryKind.OTHER] * 7)
    return StepTrace(sizes, births, deaths, let_go, kinds, 20, 0, 0, 8, 19, packs, calls)


def test_nothing_chosen_is_the_plain_step() -> None:
    prediction = Prediction(by_hand())
    curve = prediction.curve((NONE, NONE))
    assert curve[:8] == [5, 15, 35, 25, 35, 55, 45, 46]
    assert prediction.saved((NONE, NONE)) == 46
    assert prediction.peak((NONE, NONE)) == max(curve) == 66


def test_a_checkpointed_block_keeps_what_it_was_given_and_nothing_else() -> None:
    prediction = Prediction(by_hand())
    # the loss, what the first was given, and what it gave the second
    assert prediction.saved((NONE, BLOCK)) == 1 + 5 + 20
    # what the first gives is the second's: it lets go of it as late
    assert prediction.saved((BLOCK, NONE)) == prediction.saved((NONE, NONE))
    assert prediction.saved((BLOCK, BLOCK)) == 1 + 5 + 20


def test_a_recomputation_comes_on_top() -> None:
    prediction = Prediction(by_hand())
    assert list(prediction.on_top((NONE, NONE))) == []
    # product and activation anew, then the product dies: 30 at most, 20 of them stay
    assert list(prediction.on_top((NONE, BLOCK))) == [(9, 10)]
    curve = prediction.curve((NONE, BLOCK))
    assert curve[8] == 26
    assert curve[9] == 46
    assert prediction.peak((NONE, BLOCK)) == 66


def test_a_selective_block_keeps_its_products_until_they_are_used() -> None:
    prediction = Prediction(by_hand())
    assert prediction.saved((NONE, SELECTIVE)) == 1 + 5 + 20 + 10
    # the product is there: the activation comes on top of it, then it goes
    assert list(prediction.on_top((NONE, SELECTIVE))) == [(9, 10)]
    assert prediction.curve((NONE, SELECTIVE))[8:10] == [36, 46]


def test_kinds_add_up_to_the_peak() -> None:
    prediction = Prediction(by_hand())
    for choices in ((NONE, NONE), (BLOCK, BLOCK), (SELECTIVE, NONE)):
        assert sum(prediction.kinds(choices).values()) == prediction.peak(choices)


# ------------------------------------------------------------ measured


class Gate(torch.autograd.Function):
    """Keeps a tensor as an attribute, which no hook on saved tensors sees."""

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor) -> Tensor:
        ctx.gate = x.sigmoid()  # type: ignore[attr-defined]  # the point of it
        return x * ctx.gate  # type: ignore[attr-defined]

    @staticmethod
    def backward(ctx: FunctionCtx, gradient: Tensor) -> Tensor:  # type: ignore[override]
        return gradient * ctx.gate  # type: ignore[attr-defined]


class Gated(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(64, 64)

    def forward(self, x: Tensor) -> Tensor:
        return Gate.apply(self.linear(x)).tanh()


class InPlace(nn.Module):
    """A residual block that adds and cuts off in place."""

    def __init__(self, channels: int = 8) -> None:
        super().__init__()
        self.body = DoubleConv(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        y = self.body(x) * 2
        y += x
        return torch.relu_(y)


class Streams(nn.Module):
    """Two chains of blocks side by side; the outputs of some blocks are not used."""

    def __init__(self) -> None:
        super().__init__()
        made = [nn.Sequential(nn.Linear(32, 128), nn.GELU(), nn.Linear(128, 32)) for _ in range(6)]
        self.blocks = nn.ModuleList(made)

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for one, other in zip(self.blocks[:4:2], self.blocks[1:4:2], strict=True):
            x, y = x + one(y), y * other(x)
        self.blocks[4](x)
        return x + self.blocks[5](y)


class Growing(nn.Module):
    """Every block adds to the features, as in a DenseNet."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.BatchNorm2d(8 + 4 * n), nn.ReLU(), nn.Conv2d(8 + 4 * n, 4, 3, padding=1))
            for n in range(5)
        )

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = torch.cat([x, block(x)], 1)
        return x


def transformer() -> Work:
    return work_of(Transformer(width=32), torch.arange(8 * 24).reshape(8, 24) % 20)


def shared() -> Work:
    return work_of(Transformer(width=32, shared=True), torch.arange(8 * 24).reshape(8, 24) % 20)


def converted() -> Work:
    work = transformer()
    work.placement = type(work.placement)(torch.device("cpu"), True, None, torch.bfloat16, None)
    return work


def stepping() -> Work:
    work = transformer()
    work.optimizer = make_optimizer("adamw", work.subject)
    work.step(lambda: None, lambda: None, lambda: None)
    return work


def linear() -> Work:
    layers = [nn.Sequential(nn.Linear(64, 64), nn.ReLU()) for _ in range(5)]
    return work_of(Stack(*layers), torch.randn(128, 64))


def frozen() -> Work:
    work = transformer()
    for parameter in work.subject.layers[:2].parameters():
        parameter.requires_grad_(False)
    return work


WORKS: dict[str, Callable[[], Work]] = {
    "transformer": transformer,
    "a block that is called again and again": shared,
    "autocast": converted,
    "optimizer": stepping,
    "frozen": frozen,
    "linear and relu": linear,
    "skips": lambda: work_of(UNet(), torch.randn(2, 3, 32, 32)),
    "lstm": lambda: work_of(Recurrent(width=32), torch.randn(8, 16, 32)),
    "in place": lambda: work_of(Stack(InPlace(), InPlace(), InPlace()), torch.randn(2, 8, 16, 16)),
    "attributes of nodes": lambda: work_of(Stack(Gated(), Gated(), Gated()), torch.randn(128, 64)),
    "two streams": lambda: work_of(Streams(), torch.randn(128, 32)),
    "concatenation": lambda: work_of(Growing(), torch.randn(2, 8, 16, 16)),
}


def some_choices(blocks: Sequence[BlockModule]) -> set[Choices]:
    """Every option everywhere it exists, and a few at random."""
    draw = random.Random(0)
    options = {option for block in blocks for option in block.options}
    same = {tuple(o if o in block.options else NONE for block in blocks) for o in options}
    return same | {tuple(draw.choice(block.options) for block in blocks) for _ in range(2)}


def peak_of_tensors(work: Work, blocks: Sequence[BlockModule], choices: Choices) -> int:
    """What `measure` tells, without what single ops take for themselves; in less time."""
    log = StorageLog()
    storages = LiveStorages(log)
    hold_all(work, storages)
    before = log.live
    storages.hold(work.inputs.tensors(), MemoryKind.INPUT)
    inputs = log.live - before
    with applied(blocks, choices), storages:
        work.step(lambda: None, lambda: None, lambda: None)
    storages.close()
    work.zero_grad()
    return max(size for size, _ in log.peaks.values()) - inputs


def compare(work: Work, blocks: Sequence[BlockModule]) -> None:
    """The prediction beside what steps take, of whose random states no op tells."""
    trace = trace_step(work, blocks)
    prediction = Prediction(replace(trace, scratch=()))
    for choices in sorted(some_choices(blocks)):
        peak = peak_of_tensors(work, blocks, choices)
        extra = [call.extra for call in trace.calls if choices[call.block] != NONE]
        most = sum(extra) + max(extra, default=0)  # a recomputation keeps the state that it found, too
        assert peak <= prediction.peak(choices) <= 1.001 * peak + most, choices


@pytest.mark.parametrize("name", WORKS)
def test_the_peak_is_that_of_a_step(name: str) -> None:
    torch.manual_seed(0)
    work = WORKS[name]()
    blocks = find_blocks(work)
    assert blocks
    compare(work, blocks)


@pytest.mark.parametrize("name", ["transformer", "skips", "lstm"])
def test_the_peak_is_the_allocators(name: str) -> None:
    torch.manual_seed(0)
    work = WORKS[name]()
    blocks = find_blocks(work)
    prediction = Prediction(trace_step(work, blocks))
    every, mixed = tuple(b.options[1] for b in blocks), tuple(b.options[n % 2] for n, b in enumerate(blocks))
    for choices in ((NONE,) * len(blocks), every, mixed):
        assert prediction.peak(choices) == pytest.approx(measure(work, blocks, choices).peak, rel=0.005)


def test_parts_of_blocks_too() -> None:
    torch.manual_seed(0)
    work = transformer()
    blocks = tuple(
        BlockModule(0, f"layers.{number}", layer, (NONE, BLOCK, "attn", "mlp"))
        for number, layer in enumerate(work.subject.layers)
    )
    compare(work, blocks)


def test_on_fake_tensors(tmp_path: Path) -> None:
    with faked(transformer(), str(tmp_path)) as work:
        blocks = find_blocks(work)
        trace = trace_step(work, blocks)
        assert trace.scratch == ()
        compare(work, blocks)


def test_kinds_of_a_real_step() -> None:
    work = transformer()
    blocks = find_blocks(work)
    prediction = Prediction(trace_step(work, blocks))
    every = (BLOCK,) * len(blocks)
    kinds = prediction.kinds(every)
    assert sum(kinds.values()) == prediction.peak(every)
    parameters = sum(each.nbytes for each in work.subject.parameters())
    assert kinds[MemoryKind.PARAMETER] == parameters
    assert kinds[MemoryKind.SAVED] < prediction.kinds((NONE,) * len(blocks))[MemoryKind.SAVED]
