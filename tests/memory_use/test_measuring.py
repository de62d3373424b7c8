"""One step measured: the profiler's peak, and the bytes of the storages of tensors."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.profiler import ProfilerActivity, profile

from gradscope.facts import MemoryPhase
from gradscope.loader.work import Work
from gradscope.memory_use.agreed import BLOCK
from gradscope.memory_use.blocks import find_blocks
from gradscope.memory_use.measuring import measure, memory_error
from tests.memory_use.works import Transformer, recurrent, tokens, transformer, unet, work_of


def profiled(work: Work) -> int:
    """The peak that torch's own profiler tells of one step, beyond what is there before."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as found:
        work.step(lambda: None, lambda: None, lambda: None)
    work.zero_grad()
    live = most = 0
    events = found.profiler.kineto_results.events()
    for event in sorted(events, key=lambda event: event.start_ns()):
        if event.name() == "[memory]":
            live += event.nbytes()
            most = max(most, live)
    return most


@pytest.mark.parametrize("make", [transformer, unet, recurrent])
def test_the_peak_is_the_profilers(make: Callable[[], Work]) -> None:
    work = make()
    held = [*work.subject.parameters(), *work.subject.buffers()]
    before = sum(each.nbytes for each in held)
    measured = measure(work)
    assert measured.peak == before + profiled(work)
    assert measured.tensors <= measured.peak  # an op has scratch memory of its own
    assert measured.phase is MemoryPhase.BACKWARD
    assert all(each.grad is None for each in work.subject.parameters())


def test_what_can_be_counted_by_hand() -> None:
    inputs = torch.randn(100, 50)
    work = work_of(nn.Sequential(nn.Linear(50, 10, bias=False), nn.Tanh()), inputs, loss="sum")
    measured = measure(work)
    # The input, which the product saves, the output of tanh, which it saves, and the loss.
    assert measured.saved == 4 * (100 * 50 + 100 * 10 + 1)
    assert measured.tensors >= measured.saved + 4 * 50 * 10


def test_the_state_of_an_optimizer_counts() -> None:
    work = transformer()
    plain = measure(work)
    work.optimizer = torch.optim.Adam(work.subject.parameters(), lr=0.0)
    work.step(lambda: None, lambda: None, lambda: None)
    size = sum(each.nbytes for each in work.subject.parameters())
    assert measure(work).peak >= plain.peak + 2 * size


def test_checkpointed_blocks_save_less() -> None:
    work = transformer()
    blocks = find_blocks(work)
    plain, checkpointed = measure(work), measure(work, blocks, (BLOCK,) * len(blocks))
    assert checkpointed.peak < plain.peak
    assert checkpointed.saved < 0.1 * plain.saved


def test_linear_and_relu_gain_nothing() -> None:
    layers = [nn.Sequential(nn.Linear(32, 32), nn.ReLU()) for _ in range(6)]
    work = work_of(nn.Sequential(*layers), torch.randn(64, 32))
    blocks = find_blocks(work)
    plain, checkpointed = measure(work), measure(work, blocks, (BLOCK,) * len(blocks))
    one = 4 * 64 * 32  # the last output alone: each other is the input of the block behind it
    assert plain.saved - checkpointed.saved == one
    assert checkpointed.tensors == plain.tensors


def test_fake_tensors_have_no_allocator() -> None:
    with FakeTensorMode():
        fake = measure(work_of(Transformer(), tokens()))
    real = measure(work_of(Transformer(), tokens()))
    assert fake.peak == fake.tensors == real.tensors
    assert fake.saved == real.saved


def test_memory_that_runs_out_is_known_from_other_errors() -> None:
    class Large(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(1, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.linear(x) + torch.empty(1 << 50).sum()

    with pytest.raises(RuntimeError) as told:
        measure(work_of(Large(), torch.ones(1, 1)))
    said = memory_error(told.value)
    assert said is not None
    assert said.startswith("ran out of memory: ")
    assert memory_error(MemoryError()) == "ran out of memory"
    assert memory_error(torch.OutOfMemoryError("CUDA out of memory. Tried")) is not None
    assert memory_error(RuntimeError("shapes do not fit")) is None


def test_nothing_is_written() -> None:
    program = "from tests.memory_use.works import transformer\n"
    program += "from gradscope.memory_use.measuring import measure\nmeasure(transformer())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
