"""What the lessons say about memory, on the examples that show it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradscope.facts import MemoryUse, SweepKind
from gradscope.loader.options import Options
from gradscope.loader.target import parse_target
from gradscope.memory_measuring import Request, measure_target
from gradscope.memory_use.budget import Budget

EXAMPLES = Path(__file__).resolve().parent.parent / "examples" / "memory"


def memory_of(name: str, request: Request, *inputs: str, dtype: str | None = None) -> MemoryUse:
    options = Options(inputs=inputs, device="cpu", dtype=dtype)
    memory = measure_target(parse_target([str(EXAMPLES / name)], None), options, request).memory
    assert memory is not None
    return memory


def shares(name: str, inputs: str) -> list[float]:
    """The peak with every block checkpointed beside the plain one, at depths 4, 16 and 50."""
    request = Request(fake=True, sweep=(SweepKind.DEPTH, (4, 16, 50)))
    sweep = memory_of(name, request, inputs).sweep
    assert sweep is not None
    assert sweep.current == 16
    return [(point.checkpointed or 0) / (point.plain or 1) for point in sweep.points]


def test_a_stack_of_linear_and_relu_saves_nothing() -> None:
    assert shares("stacks.py:linear", "randn(256,256)") == [1.0, 1.0, 1.0]


def test_the_deeper_a_transformer_the_more_it_saves() -> None:
    found = shares("stacks.py:transformer", "randn(8,128,128)")
    assert found == pytest.approx([0.34, 0.146, 0.1015], rel=0.02)


def test_gpt_3() -> None:
    request = Request(Budget(share=0.9), fake=True, compare=False)
    memory = memory_of("gpt.py:gpt3", request, "randint(0,50257,(1,2048))", dtype="bfloat16")
    assert memory.parameters == 2 * 175_221_817_344
    assert memory.gradients == memory.parameters
    assert memory.saved == pytest.approx(77.7e9, rel=0.01)


def test_validation_without_no_grad() -> None:
    memory = memory_of("validation.py", Request())
    (unused,) = memory.unused
    assert unused.location.line == 20
    assert unused.count == 4
    assert unused.size == 2 * 64 * 256 * 4
