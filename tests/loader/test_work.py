"""A step that can be run again."""

from __future__ import annotations

import weakref

import torch
from torch import Tensor, nn

from gradscope.loader.inputs import Inputs
from gradscope.loader.loss import find_loss
from gradscope.loader.options import Options
from gradscope.loader.placement import choose_placement
from gradscope.loader.work import Work


def nothing() -> None:
    """Between the parts of a step."""


def test_a_step_has_its_batch_until_it_ends() -> None:
    seen: list[weakref.ref[Tensor]] = []

    class Summing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(2))

        def forward(self, x: Tensor) -> Tensor:
            seen.append(weakref.ref(x))
            return self.weight * x.sum()

    placement = choose_placement(Options(device="cpu"))
    work = Work(Summing(), "summing", Inputs((torch.ones(3),), {}), find_loss("mean"), placement)
    alive: list[bool] = []
    work.step(nothing, nothing, lambda: alive.append(seen[-1]() is not None))
    assert alive == [True]
    assert seen[-1]() is None


def test_buffers_of_what_a_function_calls_are_those_before_its_first_forward() -> None:
    norm = nn.BatchNorm1d(3)
    placement = choose_placement(Options(device="cpu"))
    inputs = Inputs((torch.randn(8, 3),), {})
    work = Work(lambda x: norm(x).sum(), "norm", inputs, find_loss("mean"), placement)
    assert work.roots == [norm]
    with work.again():
        assert norm.num_batches_tracked == 0
        assert not norm.running_mean.any()
