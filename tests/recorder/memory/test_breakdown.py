"""What the graph of one backward keeps: by module, by line, by tensor."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from gradscope.facts import MemoryPhase, MemoryUse

from .recorded import memory_of, peak_in

ROWS, WIDTH = 64, 32
ONE = ROWS * WIDTH * 4  # bytes of an activation


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.inner(x))


class Stack(nn.Module):
    def __init__(self, around: Callable[[nn.Module, Tensor], Tensor] | None = None) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block() for _ in range(3))
        self.around = around

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x) if self.around is None else self.around(block, x)
        return x


def stack(around: Callable[[nn.Module, Tensor], Tensor] | None = None) -> MemoryUse:
    def run() -> None:
        model = Stack(around)
        model(torch.randn(ROWS, WIDTH)).exp().sum().backward()

    return memory_of(run)


def test_modules_add_up() -> None:
    use = stack()
    saved = {module.path: (module.saved, module.own, module.class_name) for module in use.modules}
    assert saved == {
        "model": (3 * ONE, 0, "Stack"),
        "model.blocks": (3 * ONE, 0, "ModuleList"),
        "model.blocks.0": (ONE, ONE, "Block"),
        "model.blocks.1": (ONE, ONE, "Block"),
        "model.blocks.2": (ONE, ONE, "Block"),
    }
    assert list(saved) == sorted(saved)
    # what no module has made: the result of exp
    assert use.saved == 4 * ONE == sum(module.own for module in use.modules) + ONE


def test_the_input_is_not_counted_as_saved() -> None:
    assert stack().inputs == ONE  # the first Linear saves it


def test_lines() -> None:
    use = stack()
    block = Block.forward.__code__.co_firstlineno + 1
    assert [(line.saved, line.tensors, line.ops) for line in use.lines] == [
        (3 * ONE, 3, ("TanhBackward0",)),
        (ONE, 1, ("ExpBackward0",)),
    ]
    assert use.lines[0].location.line == block
    assert use.lines[0].location.module is None


def test_equal_tensors_of_a_line_are_one_row() -> None:
    first, second = stack().largest
    assert (first.op, first.name, first.shape, first.dtype) == (
        "TanhBackward0",
        "result",
        (ROWS, WIDTH),
        "float32",
    )
    assert (first.size, first.count) == (3 * ONE, 3)
    assert first.modules == ("model.blocks.0", "model.blocks.1", "model.blocks.2")
    assert (second.op, second.modules) == ("ExpBackward0", ())


def test_a_checkpoint_keeps_the_inputs_of_its_region() -> None:
    use = stack(lambda block, x: checkpoint(block, x, use_reentrant=False))
    kept, result = use.largest
    assert (kept.op, kept.name, kept.count, kept.size) == ("checkpoint", "args[0]", 2, 2 * ONE)
    assert kept.modules == ("model",)
    assert kept.location is not None
    assert kept.location.function.endswith("<lambda>")
    assert result.op == "ExpBackward0"
    assert use.saved == 3 * ONE  # the first region's input is that of the model


def test_keyword_arguments_of_a_region_count() -> None:
    def region(*, x: Tensor) -> Tensor:
        return x.exp().tanh()

    def run() -> None:
        x = torch.randn(ROWS, WIDTH, requires_grad=True) * 2
        checkpoint(region, x=x, use_reentrant=False).sum().backward()

    row = memory_of(run).largest[0]
    assert (row.op, row.name, row.size) == ("checkpoint", "x", ONE)


def again(block: nn.Module, x: Tensor, *, reentrant: bool) -> Tensor:
    return checkpoint(block, x if x.requires_grad else x.requires_grad_(), use_reentrant=reentrant)


def test_a_reentrant_checkpoint_saves_its_input_itself() -> None:
    use = stack(partial(again, reentrant=True))
    kept = use.largest[0]
    assert (kept.op, kept.count, kept.size) == ("CheckpointFunctionBackward", 2, 2 * ONE)


@pytest.mark.parametrize("reentrant", [True, False])
def test_what_runs_again_in_the_backward_belongs_to_the_module(reentrant: bool) -> None:
    use = stack(partial(again, reentrant=reentrant))
    peak = peak_in(use, MemoryPhase.BACKWARD)
    assert peak.module is not None
    assert peak.module.startswith("model.blocks.")
    assert peak.location is not None
    assert peak.location.line == Block.forward.__code__.co_firstlineno + 1


def test_what_python_keeps() -> None:
    held: list[Tensor] = []

    def run() -> None:
        x = torch.randn(ROWS, WIDTH, requires_grad=True)
        y = x.exp()
        held.append(y.detach() + 1)
        y.sum().backward()

    use = memory_of(run)
    assert use.saved == ONE
    assert ONE <= use.python_kept < ONE + 100
    held.clear()


def test_shared_memory_is_counted_once() -> None:
    def run() -> None:
        x = torch.randn(ROWS, WIDTH, requires_grad=True)
        y = x.tanh()
        (y * y.view(-1).view(ROWS, WIDTH)).sum().backward()

    assert memory_of(run).saved == ONE


def test_the_curve_ends_where_it_began() -> None:
    use = stack()
    most = max(sum(moment.kinds.values()) for moment in use.curve)
    assert use.peak is not None
    assert most == use.peak.size
    assert all(one.seconds <= other.seconds for one, other in zip(use.curve, use.curve[1:], strict=False))


def test_data_from_elsewhere_is_an_input() -> None:
    import numpy as np

    def run() -> None:
        model = nn.Linear(8, 4)
        target = torch.from_numpy(np.zeros((16, 4), np.float32))
        functional.mse_loss(model(torch.randn(16, 8)), target).backward()

    use = memory_of(run)
    assert use.inputs == 16 * 8 * 4 + 16 * 4 * 4
    assert use.saved == 16 * 4 * 4  # the output, which the loss saves


def test_what_a_hook_of_the_program_keeps_instead() -> None:
    def run() -> None:
        x = torch.randn(ROWS, WIDTH, requires_grad=True)
        with torch.autograd.graph.saved_tensors_hooks(
            lambda t: (t.double(),), lambda packed: packed[0].float()
        ):
            y = x.exp()
        y.sum().backward()

    row = memory_of(run).largest[0]
    assert (row.op, row.name, row.dtype, row.size) == ("ExpBackward0", "result", "float64", 2 * ONE)


def test_saved_is_what_hooks_on_saved_tensors_would_count() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Dropout(0.1),
        nn.Flatten(2),
        nn.TransformerEncoderLayer(64, 4, 32, dropout=0.0, batch_first=True),
        nn.GELU(),
        nn.LSTM(64, 16, batch_first=True),
    )
    x = torch.randn(2, 3, 16, 16)
    others = {id(t.untyped_storage()) for t in (x, *model.parameters(), *model.buffers())}
    seen: dict[int, torch.UntypedStorage] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if id(storage) not in others:
            seen[id(storage)] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        model(x)[0].sum()
    expected = sum(storage.nbytes() for storage in seen.values())
    assert memory_of(lambda: model(x)[0].sum().backward()).saved == expected


def test_a_block_that_is_called_alone_has_its_path_in_the_model() -> None:
    def run() -> None:
        model = Stack()
        model.blocks[1](torch.randn(ROWS, WIDTH)).sum().backward()
        model(torch.randn(ROWS, WIDTH)).sum().backward()
        model.blocks[2](torch.randn(2 * ROWS, 4 * WIDTH)[:, :WIDTH]).exp().sum().backward()

    use = memory_of(run, graph_of=3)
    assert {module.path: module.saved for module in use.modules} == {
        "model": 2 * ONE,
        "model.blocks": 2 * ONE,
        "model.blocks.2": 2 * ONE,
    }
