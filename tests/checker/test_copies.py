"""What a function is handed has the strides that the program gave it, in every evaluation."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gradscope.checker.cases._first_gradients import first_gradients
from gradscope.checker.copies import copied, copied_with_graph
from gradscope.checker.numeric import compare
from gradscope.checker.point import Deadline
from tests.checker.points import point_of

LAYOUTS = [
    pytest.param(torch.randn(4, 6, dtype=torch.float64)[:, ::2], id="every second column"),
    pytest.param(torch.randn(3, 4, dtype=torch.float64).t(), id="transposed"),
    pytest.param(torch.randn(2, 3, dtype=torch.float64)[1:], id="an offset"),
]


@pytest.mark.parametrize("tensor", LAYOUTS)
def test_copies_keep_strides_and_share_no_memory(tensor: Tensor) -> None:
    copy = copied(tensor)
    assert copy.stride() == tensor.stride()
    assert torch.equal(copy, tensor)
    assert copy.untyped_storage().data_ptr() != tensor.untyped_storage().data_ptr()


def test_an_expanded_tensor_becomes_whole() -> None:
    copy = copied(torch.ones(3, 1).expand(3, 4))
    copy.add_(1)  # torch refuses this where elements share their memory
    assert copy.stride() == (4, 1)


def test_what_is_no_tensor_is_handed_on() -> None:
    words = ["a", 1]
    assert copied(words) is words


def test_a_copy_with_graph_leads_to_its_leaf() -> None:
    leaf = torch.randn(4, 6)[:, ::2].requires_grad_()
    copy = copied_with_graph(leaf)
    copy.sum().backward()  # type: ignore[no-untyped-call]  # torch does not say what it returns
    assert copy.stride() == leaf.stride()
    assert leaf.grad is not None
    assert torch.equal(leaf.grad, torch.ones(4, 3))


def test_every_evaluation_sees_the_same_strides() -> None:
    seen: set[tuple[int, ...]] = set()

    def function(x: Tensor) -> Tensor:
        seen.add(x.stride())
        return (x * x).sum()

    point = point_of(function, torch.randn(4, 6)[:, ::2])
    assert not compare(point, Deadline(5.0)).wrong
    assert seen == {(6, 2)}


def test_so_does_a_second_derivative() -> None:
    seen: set[tuple[int, ...]] = set()

    def function(x: Tensor) -> Tensor:
        seen.add(x.stride())
        return (x**3).sum()

    second = first_gradients(point_of(function, torch.randn(4, 6)[:, ::2]), by_inputs=True)
    assert second is not None
    assert not compare(second, Deadline(5.0)).wrong
    assert seen == {(6, 2)}
