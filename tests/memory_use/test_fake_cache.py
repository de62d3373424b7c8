"""Outputs that are remembered are those that torch's own mode gives."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional

from gradscope.memory_use.fake_mode import fake_mode


def _ops() -> dict[str, Any]:
    x, n = torch.randn(4, 6), torch.randint(0, 9, (4, 6))
    deep = torch.randn(2, 3, 8, 8)
    return {
        "a product": lambda: x @ x.t(),
        "with a float": lambda: n + 1.0,
        "with a whole number": lambda: n + 1,
        "with a bool": lambda: n + True,
        "another dtype": lambda: x.to(torch.bfloat16),
        "the same dtype": lambda: x.to(torch.float32),
        "a transpose": lambda: x.t(),
        "a slice": lambda: x[1:3, ::2],
        "an expansion": lambda: x[:1].expand(9, 6),
        "a view": lambda: x.view(-1),
        "a flattened transpose": lambda: x.t().reshape(-1),
        "a copy that keeps strides": lambda: x.t().clone(),
        "a contiguous copy": lambda: x.t().contiguous(),
        "channels last": lambda: deep.to(memory_format=torch.channels_last),
        "a convolution": lambda: functional.conv2d(deep, torch.randn(5, 3, 3, 3), padding=1),
        "several outputs": lambda: torch.stack([part.sum() for part in x.split(2)]),
        "a list of tensors": lambda: torch.cat([x, x[:2]]),
        "nothing": lambda: x[:0] * 2,
        "a number": lambda: x.sum(),
        "in place": lambda: x.clone().add_(1).t_(),
        "like another": lambda: torch.zeros_like(x, dtype=torch.int32),
        "gathered": lambda: functional.embedding(n, torch.randn(9, 3)),
    }


def _told(tensor: Tensor) -> tuple[Any, ...]:
    storage = tensor.untyped_storage()
    return tuple(tensor.shape), tensor.stride(), tensor.dtype, tensor.storage_offset(), storage.nbytes()


@pytest.mark.parametrize("name", list(_ops()))
def test_the_second_output_is_like_the_first_and_like_torchs(name: str) -> None:
    with FakeTensorMode():
        expected = _told(_ops()[name]())
    with fake_mode("/nowhere"):
        ops = _ops()
        assert [_told(ops[name]()) for _ in range(3)] == [expected] * 3


def test_a_view_shares_the_memory_of_its_own_base() -> None:
    with fake_mode("/nowhere"):
        bases = [torch.randn(4, 6) for _ in range(3)]
        for base in bases:
            key = base.untyped_storage()._cdata
            assert base.t().untyped_storage()._cdata == key
            assert base.detach().untyped_storage()._cdata == key
            assert (base + 1).untyped_storage()._cdata != key


def test_a_view_of_the_second_argument_is_one_of_it() -> None:
    with fake_mode("/nowhere"):
        for _ in range(2):
            x, y = torch.randn(4, 6), torch.randn(4, 6)
            assert y.view_as(x).untyped_storage()._cdata == y.untyped_storage()._cdata


def test_gradients_flow_through_remembered_outputs() -> None:
    with fake_mode("/nowhere"):
        for _ in range(2):
            x = torch.randn(4, 6, requires_grad=True)
            (x.t() @ x).relu().sum().backward()
            assert x.grad is not None
            assert x.grad.shape == (4, 6)


def test_known_values_stay_known() -> None:
    with fake_mode("/nowhere"):
        assert [(torch.arange(4) + 1).tolist() for _ in range(2)] == [[1, 2, 3, 4]] * 2
        assert [bool((torch.arange(number) > 3).any()) for number in (4, 4, 5)] == [False, False, True]
