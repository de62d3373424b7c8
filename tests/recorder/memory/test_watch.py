"""What a whole run has in memory: peaks by phase, what they consist of, and that nothing is held by us."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from gradscope.facts import MemoryKind, MemoryPhase, MemoryUse
from gradscope.folds.storages import StorageLog
from gradscope.recorder import Recorder

from .recorded import memory_of, peak_in, profiled_peak


class Attention(nn.Module):
    """Self-attention, written out."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        q, k, v = self.qkv(x).view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        weights = (q @ k.transpose(-1, -2) / 8).softmax(-1)
        return self.out((weights @ v).transpose(1, 2).reshape(batch, length, width))


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = Attention(32, 4)
        self.norm = nn.LayerNorm(32)
        self.head = nn.Sequential(nn.Linear(32, 128), nn.GELU(), nn.Linear(128, 10))
        self.register_buffer("scale", torch.ones(10))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(x + self.attention(x))).mean(1) * self.scale


def train(make: Callable[[Iterator[nn.Parameter]], torch.optim.Optimizer], steps: int = 3) -> list[Tensor]:
    """Trains a small net on noise; its parameters afterwards."""
    torch.manual_seed(0)
    model = Net()
    optimizer = make(model.parameters())
    for _ in range(steps):
        x, y = torch.randn(4, 32, 32), torch.randint(0, 10, (4,))
        loss = functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return [parameter.detach() for parameter in model.parameters()]


@pytest.mark.parametrize("make", [torch.optim.SGD, torch.optim.Adam], ids=["SGD", "Adam"])
def test_the_peak_is_that_of_the_profiler(make: Any) -> None:
    train(make, 1)  # what torch allocates once
    expected = profiled_peak(lambda: train(make))
    peak = memory_of(lambda: train(make)).peak
    assert peak is not None
    assert peak.size == expected
    assert sum(peak.kinds.values()) == peak.size


def test_training_is_the_same_bit_by_bit() -> None:
    plain, recorded = train(torch.optim.Adam), []
    memory_of(lambda: recorded.extend(train(torch.optim.Adam)))
    assert all(torch.equal(one, other) for one, other in zip(plain, recorded, strict=True))


def test_totals() -> None:
    use = memory_of(lambda: train(torch.optim.Adam))
    parameters = sum(parameter.numel() * 4 for parameter in Net().parameters())
    assert use.parameters == use.gradients == parameters
    count = len(list(Net().parameters()))
    assert use.optimizer_state == 2 * parameters + 4 * count  # two moments, and a step count each
    assert use.optimizer == "Adam"
    assert use.buffers == 40
    assert use.inputs == 4 * 32 * 32 * 4 + 4 * 8
    assert 0 < use.python_kept < 4 * 10 * 4 * 3  # the loss and its neighbours


def test_every_phase_has_its_peak() -> None:
    use = memory_of(lambda: train(torch.optim.Adam))
    assert {peak.phase for peak in use.peaks} == set(MemoryPhase)
    backward = peak_in(use, MemoryPhase.BACKWARD)
    assert backward.kinds[MemoryKind.SAVED] <= use.saved
    assert backward.kinds[MemoryKind.OPTIMIZER_STATE] == use.optimizer_state
    assert backward.step == 1  # the first with optimizer state
    forward = peak_in(use, MemoryPhase.FORWARD)
    assert forward.kinds[MemoryKind.SAVED] >= 0.9 * use.saved
    assert forward.location is not None


def test_the_step_of_an_optimizer_has_temporaries() -> None:
    use = memory_of(lambda: train(lambda parameters: torch.optim.Adam(parameters, foreach=True)))
    peak = peak_in(use, MemoryPhase.OPTIMIZER)
    assert peak.op == "_foreach_sqrt"
    assert peak.kinds[MemoryKind.OTHER] >= use.parameters
    assert peak.location is not None
    assert peak.location.function == "train"


def test_a_peak_in_the_backward_is_told_by_the_line_of_the_forward() -> None:
    weight = torch.randn(64, 64, requires_grad=True)

    def run() -> None:
        x = weight * 2
        y = x.exp()  # its backward holds three tensors of the size
        y.sum().backward()

    use = memory_of(run)
    peak = peak_in(use, MemoryPhase.BACKWARD)
    assert peak.op == "mul"
    assert peak.location is not None
    assert peak.location.line == run.__code__.co_firstlineno + 1


def test_nothing_lives_longer_than_without_us() -> None:
    alive: list[tuple[str, bool]] = []

    def run() -> None:
        model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 1))
        optimizer = torch.optim.Adam(model.parameters())
        for _ in range(3):
            x = torch.randn(2, 4)
            loss = model(x).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            held = {"input": weakref.ref(x), "loss": weakref.ref(loss), "memory": _of_memory(x)}
            x = loss = None  # type: ignore[assignment]  # let go of
            alive.extend((name, reference() is not None) for name, reference in held.items())

    gc.disable()
    try:
        memory_of(run)
    finally:
        gc.enable()
    assert alive
    assert not [name for name, lives in alive if lives]


def _of_memory(tensor: Tensor) -> weakref.ref[torch.UntypedStorage]:
    return weakref.ref(tensor.untyped_storage())


def test_the_log_is_closed_and_nothing_is_left_behind() -> None:
    log = StorageLog()
    recorder = Recorder(storages=log)
    with recorder:
        kept = torch.ones(10, requires_grad=True) * 2
        kept.sum().backward()
    births = len(log.sizes)
    torch.ones(100)
    del kept
    assert len(log.sizes) == births
    assert torch._C._len_torch_dispatch_stack() == 0


def test_a_mode_that_the_program_leaves_entered_stays() -> None:
    from torch.utils._python_dispatch import TorchDispatchMode, _get_current_dispatch_mode

    class Mode(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            return func(*args, **(kwargs or {}))

    mode = Mode()
    with Recorder(storages=StorageLog()):
        mode.__enter__()
        torch.ones(3)
    try:
        assert _get_current_dispatch_mode() is mode
    finally:
        mode.__exit__(None, None, None)


def test_an_overwritten_saved_tensor_still_fails() -> None:
    """Hooks on saved tensors would have switched torch's check off."""

    def run() -> None:
        x = torch.ones(3, requires_grad=True)
        y = x.exp()
        y += 1
        y.sum().backward()

    recorder = Recorder(storages=StorageLog())
    with recorder, pytest.raises(RuntimeError, match="modified by an inplace operation"):
        run()
    assert recorder.recording().inplace_conflicts


def test_fake_tensors_of_a_real_run_have_no_memory() -> None:
    from torch._subclasses.fake_tensor import FakeTensorMode

    def run() -> None:
        with FakeTensorMode():
            nn.Linear(1000, 1000)(torch.ones(1000, 1000)).sum()
        (torch.ones(10, requires_grad=True) * 2).sum().backward()

    peak = memory_of(run).peak
    assert peak is not None
    assert peak.size < 1000


def test_a_run_on_fake_tensors_counts_them() -> None:
    from torch._subclasses.fake_tensor import FakeTensorMode

    def run() -> None:
        model = nn.Sequential(nn.Linear(1000, 1000), nn.Tanh())
        model(torch.ones(1000, 1000)).sum().backward()

    with FakeTensorMode():
        use = memory_of(run)
    assert use.parameters == use.gradients == 4 * 1001 * 1000
    assert use.inputs == use.saved == 4 * 1000 * 1000


def closure_program() -> None:
    weight = torch.randn(64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight], max_iter=3)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = (weight**2).sum()
        loss.backward()
        return loss

    optimizer.step(closure)


def test_a_closure_runs_its_passes_inside_the_step() -> None:
    log = StorageLog()
    recorder = Recorder(storages=log)
    with recorder:
        closure_program()
    phases = [phase for _, phase in log._phases]
    first = phases.index(MemoryPhase.OPTIMIZER)
    assert phases[first + 1 : first + 4] == [
        MemoryPhase.BACKWARD,
        MemoryPhase.OPTIMIZER,
        MemoryPhase.BACKWARD,
    ]
    assert phases[-1] is MemoryPhase.OUTSIDE


def test_a_program_without_modules() -> None:
    def run() -> None:
        weight = torch.randn(8, 8, requires_grad=True)
        for _ in range(2):
            x = torch.randn(64, 8)
            (x @ weight).relu().pow(2).sum().backward()
            with torch.no_grad():
                weight -= 0.1 * weight.grad
            weight.grad = None

    use = memory_of(run)
    assert (use.parameters, use.inputs, use.gradients, use.saved) == (256, 2048, 256, 2048)
    assert use.modules == ()
    assert use.optimizer is None


def test_an_evaluation_is_a_forward_too() -> None:
    log = StorageLog()
    model = nn.Linear(8, 8)
    with Recorder(storages=log):
        with torch.no_grad():
            held = model(torch.ones(100, 8))
        phase = log.phase
    del held
    assert log.peaks[MemoryPhase.FORWARD][0] == 2 * 3200 + 9 * 8 * 4
    assert phase is MemoryPhase.OUTSIDE


def test_of_two_backwards_the_one_that_keeps_most_is_told() -> None:
    def run() -> None:
        for size in (10, 1000, 100):
            torch.ones(size, requires_grad=True).exp().sum().backward()

    assert memory_of(run).saved == 4000
    assert memory_of(run, graph_of=3).saved == 400


def test_a_backward_that_fails_is_told_only_where_no_other_comes_through() -> None:
    def run() -> None:
        x = torch.ones(100, requires_grad=True)
        y = x.exp()
        y.add_(1)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            y.sum().backward()
        x[:10].exp().sum().backward()

    use = memory_of(run)
    assert (use.saved, use.gradients) == (40, 400)


def test_nested_tensors() -> None:
    def run() -> None:
        parts = [torch.randn(2, 8), torch.randn(3, 8)]
        nested = torch.nested.nested_tensor(parts, layout=torch.jagged)
        nn.Linear(8, 8)(nested).values().exp().sum().backward()

    use = memory_of(run)
    assert use.saved >= 5 * 8 * 4
    assert use.parameters == use.gradients == 9 * 8 * 4


def test_memory_is_told_only_where_it_was_asked_for() -> None:
    recorder = Recorder()
    with recorder:
        torch.ones(3, requires_grad=True).sum().backward()
    assert recorder.recording().memory is None


def test_a_thread_of_the_program_counts() -> None:
    from threading import Thread

    def run() -> None:
        held: list[Tensor] = []
        thread = Thread(target=lambda: held.append(torch.zeros(1_000_000)))
        thread.start()
        thread.join()

    use: MemoryUse = memory_of(run)
    assert use.peak is not None
    assert use.peak.size == 4_000_000


def test_a_program_that_compiles_goes_on_compiling() -> None:
    compiled: list[int] = []

    def backend(graph: torch.fx.GraphModule, _inputs: Any) -> Any:
        compiled.append(len(list(graph.graph.nodes)))
        return graph.forward

    def run() -> None:
        weight = torch.randn(100, requires_grad=True)
        torch.compile(lambda x: x.exp().sin(), backend=backend)(weight).sum().backward()

    use = memory_of(run)
    assert len(compiled) == 1
    assert use.gradients == 400


def test_nothing_of_dynamo_is_imported_for_us() -> None:
    program = (
        "import sys, torch\n"
        "from gradscope.folds.storages import StorageLog\n"
        "from gradscope.recorder import Recorder\n"
        "with Recorder(storages=StorageLog()):\n"
        "    torch.ones(3, requires_grad=True).exp().sum().backward()\n"
        "print('torch._dynamo' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
