"""The same promises on a GPU: identical gradients, the right lines, the right names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from .running import PROGRAMS, difference, run_plain, run_recorded

EXAMPLES = PROGRAMS.parent.parent / "examples"

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA device"),
]


@pytest.fixture
def on_cuda():
    """Tensors and modules are made on the GPU, and its kernels give the same bits each time."""
    torch.set_default_device("cuda")
    torch.use_deterministic_algorithms(True, warn_only=True)
    yield
    torch.use_deterministic_algorithms(False)
    torch.set_default_device(None)


def test_gradients_are_the_same_on_a_gpu():
    script = "cuda_training.py"
    plain = run_plain(PROGRAMS / script)
    assert plain.end.error is None, plain.end.error.rendered
    recorded = run_recorded(PROGRAMS / script)
    assert recorded.end.error is None, recorded.end.error.rendered
    assert not difference(plain.stdout, recorded.stdout), difference(plain.stdout, recorded.stdout)
    assert not recorded.findings, recorded.describe()
    assert recorded.recording.device.startswith("cuda")


@pytest.mark.parametrize(
    "example",
    ["chain_rule", "dead_relu", "inf_gradient", "inplace_saved", "nan_distance", "unused_parameter"],
)
def test_lines_are_the_same_on_a_gpu(example, on_cuda):
    path = EXAMPLES / f"{example}.py"
    lines = path.read_text(encoding="utf-8").splitlines()
    marked = [(m[1], n) for n, line in enumerate(lines, 1) if (m := re.search(r"# <- (GS\d+)", line))]
    recorded = run_recorded(path)
    assert [(f.code, f.location.line) for f in recorded.findings] == marked, recorded.describe()
    assert all(Path(f.location.path) == path for f in recorded.findings)


def test_the_chain_rule_table_is_the_same_on_a_gpu(on_cuda):
    on_gpu = run_recorded(EXAMPLES / "chain_rule.py").recording.chains
    torch.set_default_device("cpu")
    assert on_gpu == run_recorded(EXAMPLES / "chain_rule.py").recording.chains


@pytest.mark.parametrize("example", ["chain_rule", "severed"])
def test_the_graph_is_the_same_on_a_gpu(example, on_cuda):
    on_gpu = run_recorded(EXAMPLES / f"{example}.py", graph_of=1).recording.graph
    torch.set_default_device("cpu")
    on_cpu = run_recorded(EXAMPLES / f"{example}.py", graph_of=1).recording.graph
    assert [node.name for node in on_gpu.nodes] == [node.name for node in on_cpu.nodes]
    for node, other in zip(on_gpu.nodes, on_cpu.nodes, strict=True):
        assert node.incoming == pytest.approx(other.incoming, rel=1e-2)
        assert node.seconds is not None
    assert any("launching" in note for note in on_gpu.notes)


def test_memory_on_a_gpu_is_what_the_allocator_gave_out():
    from gradscope.loader.options import Options
    from gradscope.loader.target import parse_target
    from gradscope.memory_measuring import Request, measure_target
    from gradscope.memory_use.budget import Budget

    options = Options(inputs=("randint(0,1000,(4,256))",), device="cuda")
    target = parse_target([str(EXAMPLES / "memory" / "gpt.py:small")], None)
    memory = measure_target(target, options, Request(Budget(share=0.6))).memory
    plain, *others = memory.strategies
    assert memory.allocator is not None
    assert memory.allocator.allocated <= memory.allocator.reserved
    tensors = next(peak for peak in memory.peaks if peak.phase is plain.peak_phase)
    assert plain.peak == pytest.approx(tensors.size, rel=0.05)
    assert all(each.gradients.value in ("identical", "not reproducible") for each in others)
    assert memory.plan.strategy is not None
    assert memory.plan.strategy.peak <= memory.plan.budget
    assert memory.plan.strategy.predicted_peak == pytest.approx(memory.plan.strategy.peak, rel=0.02)
