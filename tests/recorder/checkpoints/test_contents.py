"""The two numbers that stand for a tensor: equal for equal ones, and apart for whatever else."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from gradscope.folds.region_runs import TensorContent, is_beyond_rounding
from gradscope.recorder.checkpoints.contents import Contents


def content(tensor: Tensor) -> TensorContent:
    contents = Contents()
    found = contents.of(tensor)
    contents.settle()
    assert found is not None
    assert found.moments is not None
    return found


def seeded(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x + 1e-3,
        lambda x: x * 1.001,
        lambda x: -x,
        lambda x: x.roll(1, 0),
        lambda x: x.roll(1, 1),
        lambda x: x[torch.tensor([1, 0, *range(2, 40)])],
        lambda x: torch.where(torch.arange(30) == 4, 0.0, x),
        lambda x: x.flip(0, 1),
    ],
    ids=["add", "scale", "negate", "roll rows", "roll columns", "swap rows", "one column", "flip"],
)
def test_what_changes_is_seen(change: Callable[[Tensor], Tensor]) -> None:
    x = seeded(40, 30)
    assert is_beyond_rounding(content(x), content(change(x)))


def test_the_order_of_a_sum_is_rounding() -> None:
    x = seeded(40, 3000)
    whole = x.cumsum(1)
    other = torch.stack([x[:, :500].sum(1), whole[:, 700], (x[:, :900] * 1.0).flip(1).sum(1)], 1)
    same = torch.stack([whole[:, 499], x[:, :701].sum(1), whole[:, 899]], 1)
    assert not torch.equal(same, other)
    assert not is_beyond_rounding(content(same), content(other))


@pytest.mark.parametrize(
    "dtype", [torch.float64, torch.float16, torch.bfloat16, torch.complex64, torch.int64]
)
def test_every_dtype_is_read(dtype: torch.dtype) -> None:
    x = (seeded(8, 5) * 10).to(dtype)
    assert content(x).moments == content(x.clone()).moments
    assert is_beyond_rounding(content(x), content(x * 2))


def test_a_single_bit_of_a_mask_counts() -> None:
    mask = seeded(3000) > 0
    other = mask.clone()
    other[17] = ~other[17]
    assert is_beyond_rounding(content(mask), content(other))


def test_how_a_tensor_lies_in_memory_is_no_matter() -> None:
    x = seeded(6, 7, 8)
    spaced = torch.empty(6, 7, 16)[:, :, ::2].copy_(x)
    assert content(spaced).moments == content(x).moments
    assert content(x.transpose(0, 2)).moments == content(x).moments
    assert content(x[:1].expand(9, 7, 8)).moments == content(x[:1]).moments
    assert content(torch.empty(0, 3)).moments == (0.0, 0.0)


def test_a_large_tensor_is_read_in_pieces() -> None:
    x = seeded(3, 1 << 20)
    whole = content(x)
    assert whole.moments is not None
    assert whole.moments[0] == pytest.approx(float(x.double().norm()))
    assert is_beyond_rounding(whole, content(x[[1, 0, 2]]))
    spaced = torch.empty(3, 2 << 20)[:, ::2].copy_(x)
    assert content(spaced).moments == pytest.approx(whole.moments)


def test_what_has_no_values_is_left_alone() -> None:
    contents = Contents()
    assert contents.of(torch.empty(3, device="meta")) is None
    freed = torch.zeros(3)
    freed.untyped_storage().resize_(0)
    assert contents.of(freed) is None


def test_the_generators_and_the_program_s_modes_do_not_notice() -> None:
    state = torch.get_rng_state()
    with torch.autocast("cpu", torch.bfloat16):
        content(seeded(4, 4))
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype is torch.bfloat16
    assert torch.is_grad_enabled()
    assert torch.equal(torch.get_rng_state(), state)
