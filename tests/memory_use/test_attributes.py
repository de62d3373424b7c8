"""The attributes of modules are put back between steps."""

from __future__ import annotations

import torch
from torch import Tensor

from gradscope.memory_use.agreed import BLOCK
from gradscope.memory_use.attributes import Attributes
from gradscope.memory_use.blocks import find_blocks
from gradscope.memory_use.gradients import compared, gradients_of
from gradscope.memory_use.measuring import measure
from gradscope.memory_use.trying import try_blocks
from tests.memory_use.works import Residual, stack


class Keeping(Residual):
    """Keeps all that a module can, and its values depend on it."""

    def __init__(self) -> None:
        super().__init__()
        self.count, self.sizes, self.note = 0, (1, 2.0), None
        self.last = torch.zeros(8)
        self.history: list[Tensor] = []
        self.by_name = {"first": 1}
        self.source = torch.Generator()

    def forward(self, x: Tensor) -> Tensor:
        drawn = torch.rand(8, generator=self.source)
        y = super().forward(x * (self.last + len(self.history) + drawn) + self.count + len(self.by_name))
        self.count += 1
        self.sizes, self.note = (*self.sizes, self.count), "called"
        self.last = y.detach().mean(0)
        self.history.append(y.detach())
        self.by_name[str(self.count)] = self.count
        self.fresh = 1
        return y


def test_all_that_a_forward_changes_is_put_back() -> None:
    work = stack(Keeping, Residual)
    module = work.subject.blocks[0]
    before = {name: value for name, value in vars(module).items() if not name.startswith("_")}
    history, state = list(module.history), module.source.get_state()
    attributes = Attributes(work.subject.modules())
    work.step()
    assert attributes.changed(work.subject) == [
        "blocks.0.count",
        "blocks.0.sizes",
        "blocks.0.note",
        "blocks.0.last",
        "blocks.0.history",
        "blocks.0.by_name",
        "blocks.0.fresh",
    ]
    attributes.put_back()
    assert {name: value for name, value in vars(module).items() if not name.startswith("_")} == before
    assert module.last is before["last"]
    assert (module.history, module.by_name) == (history, {"first": 1})
    assert torch.equal(module.source.get_state(), state)
    assert attributes.changed(work.subject) == []


def test_steps_are_the_same_again_and_again() -> None:
    work = stack(Keeping, Residual)
    first = gradients_of(work)
    assert compared(first, gradients_of(work)).names == ()
    measure(work)
    find_blocks(work)
    assert compared(first, gradients_of(work)).names == ()
    work.step()
    assert compared(first, gradients_of(work)).names


def test_such_a_module_cannot_be_checkpointed() -> None:
    work = stack(Keeping, Residual)
    found = try_blocks(work, find_blocks(work))
    assert not found.reference.unstable
    assert found.blocks[0].reason == (
        "its forward draws from its own generator, source, and a checkpoint does not rewind that"
    )
    assert BLOCK in found.blocks[1].options


def test_a_buffer_that_another_took_the_place_of() -> None:
    class Averaging(Residual):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("mean", torch.zeros(8))

        def forward(self, x: Tensor) -> Tensor:
            self.mean = 0.9 * self.mean + 0.1 * x.detach().mean(0)
            return super().forward(x - self.mean)

    work = stack(Averaging, Residual)
    mean = work.subject.blocks[0].mean
    assert not compared(gradients_of(work), gradients_of(work)).names
    assert work.subject.blocks[0].mean is mean
    blocks = find_blocks(work)
    assert [block.changes for block in blocks] == [("mean",), ()]
    assert [block.reason for block in try_blocks(work, blocks).blocks] == [None, None]
