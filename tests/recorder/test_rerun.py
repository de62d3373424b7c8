"""A node run once more on a scaled gradient: which nodes may be, and what float16 has hidden."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gradscope.recorder.rerun import can_run_again, run_again, true_largest

HALF = torch.float16


class Doubled(torch.autograd.Function):
    """Twice its input, and counts how often its backward ran."""

    runs = 0

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return 2 * x

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        Doubled.runs += 1
        return 2 * grad


def leaf(*values: float, dtype: torch.dtype = HALF) -> Tensor:
    return torch.tensor(values, dtype=dtype, requires_grad=True)


def seen_in_hook(result: Tensor, gradient: Tensor, look: Any) -> Any:
    """What `look(node, grad_inputs, grad_outputs)` says in a hook of the node that made `result`."""
    found = []
    node = result.grad_fn
    assert node is not None

    def hook(grad_inputs: Any, grad_outputs: Any) -> None:
        with torch.no_grad():
            found.append(look(node, grad_inputs, grad_outputs))

    with node.register_hook(hook):
        result.backward(gradient)
    return found[0]


def again(node: Any, grad_inputs: Any, grad_outputs: Any) -> Any:
    return run_again(node, [g.float() for g in grad_outputs], grad_inputs)


def test_what_was_flushed_comes_back():
    x = leaf(1.0, 2.0)
    given = torch.tensor([2.0**-14, 2.0**-10], dtype=HALF)
    (true, _) = seen_in_hook(x * 2.0**-12, given, again)
    assert x.grad is not None
    assert x.grad.tolist() == [0.0, 2.0**-22]
    assert true.tolist() == [2.0**-26, 2.0**-22]
    assert true.dtype is torch.float32


def test_a_zero_that_is_one_stays():
    (true,) = seen_in_hook(torch.relu(leaf(-1.0, 1.0)), torch.tensor([2.0**-24, 2.0**-24], dtype=HALF), again)
    assert true.tolist() == [0.0, 2.0**-24]


def test_the_engine_sums_over_expanded_dimensions_and_so_does_the_answer():
    bias, rows = leaf(0.0, 0.0), torch.zeros(8, 2, dtype=HALF)
    true = seen_in_hook(rows + bias, torch.full((8, 2), 2.0**-24, dtype=HALF), again)
    assert true[1].tolist() == [2.0**-21, 2.0**-21]


def test_nothing_is_told_of_zeros_and_of_infinities():
    node = torch.relu(leaf(1.0)).grad_fn
    for value in (0.0, float("inf"), float("nan")):
        assert run_again(node, [torch.tensor([value])], [torch.tensor([value])]) is None


@pytest.mark.parametrize(("value", "true"), [(1000.0, 3e5), (60000.0, 1.8e7)])
def test_the_size_of_what_overflowed(value, true):
    found = seen_in_hook(leaf(1.0, 1.0) * 300.0, torch.tensor([value, 1.0], dtype=HALF), true_largest)
    assert found == pytest.approx(true, rel=1e-3)


def test_a_true_infinity_has_no_size():
    assert seen_in_hook(torch.sqrt(leaf(0.0, 1.0)), torch.ones(2, dtype=HALF), true_largest) is None


def test_float32_has_no_such_size():
    x = leaf(1.0, dtype=torch.float32)
    assert seen_in_hook(x * 1e38, torch.tensor([1e38]), true_largest) is None


def test_the_programs_own_code_is_not_run_again():
    Doubled.runs = 0
    x = leaf(1.0)
    found = seen_in_hook(Doubled.apply(x), torch.tensor([40000.0], dtype=HALF), true_largest)
    assert x.grad is not None
    assert x.grad.isinf().all()
    assert found is None
    assert Doubled.runs == 1


def test_what_may_be_run_again():
    x = leaf(1.0, 2.0)
    assert can_run_again((x * 2).grad_fn)
    assert can_run_again(nn.functional.layer_norm(x, (2,)).grad_fn)
    assert not can_run_again(Doubled.apply(x).grad_fn)
    assert not can_run_again((x * 2).grad_fn.next_functions[0][0])  # AccumulateGrad
    with torch.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t):
        assert not can_run_again((x * x).grad_fn)
    base = (x * 2).clone()
    base[:1].mul_(3)
    assert not can_run_again(base.grad_fn)  # CopySlices
