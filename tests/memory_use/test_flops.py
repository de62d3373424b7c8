"""The cost of steps in floating-point operations, counted by hand beside it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from gradscope.memory_use.agreed import BLOCK, NONE, SELECTIVE, BlockModule
from gradscope.memory_use.blocks import find_blocks
from gradscope.memory_use.fakes import faked
from gradscope.memory_use.flops import FLOPS_FOR_BYTE, Flops, block_flops, count_flops, step_flops
from tests.memory_use.works import work_of


def test_a_matrix_product_costs_its_operations_where_they_outweigh_its_bytes() -> None:
    with Flops() as counted:
        torch.ones(512, 512) @ torch.ones(512, 512)
    filled = 2 * 512 * 512 * 4 * FLOPS_FOR_BYTE
    assert counted.total == 2 * 512**3 + filled


def test_a_small_product_and_other_ops_cost_the_bytes_they_move() -> None:
    x = torch.ones(4, 4)
    with Flops() as counted:
        x @ x
        x.relu()
    assert counted.total == FLOPS_FOR_BYTE * 64 * (3 + 2)


def test_views_and_memory_that_is_not_written_are_free() -> None:
    x = torch.ones(4, 4)
    with Flops() as counted:
        x.t().reshape(-1)[2:].detach()
        torch.empty(4, 4)
        torch.empty_like(x)
    clone = 2 * 64 * FLOPS_FOR_BYTE  # a transpose is no view of 16 numbers in a row
    assert counted.total == clone


@pytest.mark.parametrize("mask", [True, False])
def test_attention_of_the_cpu_is_counted(mask: bool) -> None:
    q = torch.ones(1, 2, 1024, 64, requires_grad=True)
    with Flops() as forward:
        out = nn.functional.scaled_dot_product_attention(q, q, q, is_causal=mask)
    products = 2 * (2 * 2 * 1024 * 1024 * 64)
    assert forward.total == pytest.approx(products, rel=0.1)
    with Flops() as backward:
        out.sum().backward()
    assert backward.total == pytest.approx(2.5 * products, rel=0.2)


def test_recurrent_layers_are_counted() -> None:
    layer = nn.LSTM(256, 512, batch_first=True)
    with Flops() as counted:
        out, _ = layer(torch.ones(8, 64, 256))
    products = 2 * 8 * 64 * 4 * 512 * (256 + 512)
    assert counted.total == pytest.approx(products, rel=0.1)
    with Flops() as counted:
        out.sum().backward()
    assert counted.total == pytest.approx(2 * products, rel=0.15)


def _layers(width: int = 256, count: int = 4) -> nn.Sequential:
    parts = (nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width)) for _ in range(count))
    return nn.Sequential(*parts)


def _every(blocks: Any, option: str) -> tuple[str, ...]:
    return tuple(option for _ in blocks)


@pytest.mark.parametrize("option", [BLOCK, SELECTIVE])
def test_the_calls_add_up_to_what_checkpointing_costs(option: str) -> None:
    work = work_of(_layers(), torch.ones(64, 256))
    blocks = [BlockModule(0, str(number), module) for number, module in enumerate(work.subject)]
    again = step_flops(work, blocks, _every(blocks, option)) - step_flops(work)
    calls = block_flops(work, blocks)
    assert [call.block for call in calls] == [0, 1, 2, 3]
    assert {call.option for call in calls} == {BLOCK}
    assert sum(call.flops if option == BLOCK else call.selective for call in calls) == again > 0


def test_choices_cost_what_a_step_with_them_costs() -> None:
    work = work_of(_layers(), torch.ones(64, 256))
    options = (NONE, BLOCK, SELECTIVE, "1")
    blocks = [BlockModule(0, str(number), module, options) for number, module in enumerate(work.subject)]
    counted = count_flops(work, blocks)
    for choices in (options, (BLOCK, NONE, "1", SELECTIVE), _every(blocks, NONE)):
        assert counted.of(choices) == step_flops(work, blocks, choices)


def test_a_recomputation_ends_at_the_last_saved_tensor() -> None:
    work = work_of(_layers(count=1), torch.ones(64, 256))
    counted = count_flops(work, [BlockModule(0, "0", work.subject[0])])
    # The last product's output is saved by nobody: only one of the two is needed again.
    assert 0 < counted.calls[0].flops < 0.6 * counted.forward


def test_what_no_recomputation_needs_costs_nothing() -> None:
    work = work_of(nn.Sequential(nn.Flatten(), nn.Linear(4, 4)), torch.ones(2, 4))
    (call,) = block_flops(work, [BlockModule(0, "0", work.subject[0])])
    assert (call.flops, call.selective) == (0, 0)


def test_fake_tensors_cost_what_real_ones_do() -> None:
    layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
    work = work_of(nn.TransformerEncoder(layer, 3, enable_nested_tensor=False), torch.ones(2, 16, 32))
    blocks = find_blocks(work)
    real = step_flops(work), step_flops(work, blocks, _every(blocks, BLOCK)), block_flops(work, blocks)
    with faked(work, "/nowhere") as fake:
        assert step_flops(fake) == real[0]
        assert step_flops(fake, blocks, _every(blocks, BLOCK)) == real[1]
        assert block_flops(fake, blocks) == real[2]
    assert all(parameter.grad is None for parameter in work.subject.parameters())


def test_the_optimizers_part_does_not_count() -> None:
    module = nn.Linear(64, 64)
    plain, stepping = work_of(module, torch.ones(4, 64)), work_of(module, torch.ones(4, 64))
    stepping.optimizer = torch.optim.Adam(module.parameters(), lr=0.0)
    assert step_flops(plain) == step_flops(stepping) > 0
    assert step_flops(plain, [BlockModule(0, "", module)], (NONE,)) == step_flops(plain)
