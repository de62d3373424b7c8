"""Which modules are found to be blocks, and what can be chosen for them."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from gradscope.errors import UsageError
from gradscope.loader.work import Work
from gradscope.memory_use.agreed import BLOCK, NONE, SELECTIVE
from gradscope.memory_use.blocks import find_blocks
from tests.memory_use.works import (
    Attention,
    Averaging,
    Counting,
    DoubleConv,
    Residual,
    Transformer,
    recurrent,
    stack,
    tokens,
    transformer,
    unet,
    work_of,
)


def paths(work: Work, *patterns: str) -> list[str]:
    return [block.path for block in find_blocks(work, patterns)]


def test_the_outermost_modules_that_repeat() -> None:
    blocks = find_blocks(transformer())
    assert [block.path for block in blocks] == [f"layers.{n}" for n in range(4)]
    assert {block.options for block in blocks} == {(NONE, BLOCK, SELECTIVE, "attn", "mlp")}
    assert {block.products for block in blocks} == {("addmm.default", "bmm.default")}
    assert all(block.calls == 1 and block.saved > 0 and not block.changes for block in blocks)


def test_several_classes_in_the_order_of_their_calls() -> None:
    blocks = find_blocks(unet())
    assert [block.path for block in blocks] == ["inc", "downs.0", "downs.1", "ups.0", "ups.1"]
    assert blocks[1].changes == (
        "conv.1.running_mean",
        "conv.1.running_var",
        "conv.1.num_batches_tracked",
        "conv.4.running_mean",
        "conv.4.running_var",
        "conv.4.num_batches_tracked",
    )
    assert SELECTIVE in blocks[0].options


def test_layers_without_parts_where_nothing_larger_repeats() -> None:
    blocks = find_blocks(recurrent())
    assert [block.path for block in blocks] == ["layers.0", "layers.1", "layers.2"]
    assert {block.options for block in blocks} == {(NONE, BLOCK)}  # an LSTM has no product to keep


def test_sequential_blocks_and_plain_layers() -> None:
    pairs = nn.Sequential(*[nn.Sequential(nn.Linear(8, 8), nn.ReLU()) for _ in range(3)])
    assert paths(work_of(pairs, torch.randn(4, 8))) == ["0", "1", "2"]
    flat = nn.Sequential(*[layer for _ in range(3) for layer in (nn.Linear(8, 8), nn.ReLU())])
    assert paths(work_of(flat, torch.randn(4, 8))) == ["0", "1", "2", "3", "4", "5"]


def test_stages_are_looked_into() -> None:
    stages = nn.Sequential(*[nn.Sequential(*[DoubleConv(4, 4) for _ in range(2)]) for _ in range(2)])
    assert paths(work_of(stages, torch.randn(2, 4, 8, 8))) == ["0.0", "0.1", "1.0", "1.1"]

    class Pair(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder, self.decoder = Transformer(2), Transformer(2)

        def forward(self, x: Tensor) -> Tensor:
            return self.encoder(x) + self.decoder(x)

    assert paths(work_of(Pair(), tokens())) == [
        "encoder.layers.0",
        "encoder.layers.1",
        "decoder.layers.0",
        "decoder.layers.1",
    ]


def test_a_block_of_two_equal_parts_stays_whole() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.self_attn, self.cross_attn = Attention(8), Attention(8)

        def forward(self, x: Tensor) -> Tensor:
            return self.cross_attn(self.self_attn(x)[..., :8])[..., :8]

    twice = nn.Sequential(Twice(), Twice())
    assert paths(work_of(twice, torch.randn(2, 4, 8))) == ["0", "1"]


def test_parallel_modules_in_a_block_do_not_stand_for_it() -> None:
    class Expert(nn.Sequential):
        pass

    class Mixture(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.experts = nn.ModuleList(
                Expert(nn.Linear(8, 8), nn.GELU(), nn.Linear(8, 8)) for _ in range(3)
            )

        def forward(self, x: Tensor) -> Tensor:
            return x + sum(expert(x) for expert in self.experts)

    mixtures = nn.Sequential(*[Mixture() for _ in range(2)])
    assert paths(work_of(mixtures, torch.randn(4, 8))) == ["0", "1"]


def test_a_module_that_is_called_again_and_again_is_one_block() -> None:
    (block,) = find_blocks(transformer(depth=3, shared=True))
    assert (block.path, block.calls) == ("layers.0", 3)


def test_one_block_alone_in_a_list() -> None:
    assert paths(transformer(depth=1)) == ["layers.0"]


def test_blocks_of_a_function() -> None:
    first, second = Transformer(2), Transformer(2)

    def loss() -> Tensor:
        return first(tokens()).mean() + second(tokens()).mean()

    blocks = find_blocks(work_of(loss))
    assert [(block.root, block.path) for block in blocks] == [
        (0, "layers.0"),
        (0, "layers.1"),
        (1, "layers.0"),
        (1, "layers.1"),
    ]


def test_nothing_that_repeats() -> None:
    assert find_blocks(work_of(nn.Linear(4, 2), torch.randn(3, 4))) == ()


def test_named_blocks() -> None:
    work = transformer()
    assert paths(work, "layers.*") == [f"layers.{n}" for n in range(4)]  # not what is inside them
    assert paths(work, "layers.[02]", "layers.0.mlp") == ["layers.0", "layers.2"]
    assert paths(work, "mlp") == [f"layers.{n}.mlp" for n in range(4)]


def test_a_name_that_nothing_has() -> None:
    with pytest.raises(UsageError, match=r"--blocks 'layer\.\*' matches no module") as told:
        find_blocks(transformer(), ["layer.*"])
    assert "--blocks 'layers.*'" in told.value.try_next


def test_named_blocks_that_cannot_be_checkpointed_say_why() -> None:
    class Partly(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.frozen = Residual(), Residual()
            self.spare = nn.ModuleList([Residual()])

        def forward(self, x: Tensor) -> Tensor:
            with torch.no_grad():
                x = self.frozen(x)
            return self.used(x)

    blocks = find_blocks(work_of(Partly(), torch.randn(4, 8)), ["frozen", "spare", "spare.0", "used"])
    assert [(block.path, block.options, block.reason) for block in blocks] == [
        ("frozen", (NONE,), "its forward saves nothing for the backward"),
        ("used", (NONE, BLOCK, SELECTIVE), None),
        ("spare", (NONE,), "it only holds modules and has no forward: name those in it, --blocks 'spare.*'"),
    ]


def test_buffers_that_change_are_known_from_others() -> None:
    blocks = find_blocks(stack(Averaging, Averaging))
    assert [block.changes for block in blocks] == [("mean",), ("mean",)]


def test_attention_that_draws_its_dropout_is_not_kept() -> None:
    class Fused(nn.Module):
        def __init__(self, dropout: float) -> None:
            super().__init__()
            self.linear, self.dropout = nn.Linear(8, 8), dropout

        def forward(self, x: Tensor) -> Tensor:
            q = self.linear(x)
            return torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(q, q, q, self.dropout)[0]

    quiet = find_blocks(work_of(nn.Sequential(Fused(0.0), Fused(0.0)), torch.randn(1, 2, 4, 8)))
    assert quiet[0].products == ("addmm.default", "_scaled_dot_product_flash_attention_for_cpu.default")


def test_a_forward_that_runs_a_backward_of_its_own() -> None:
    class Force(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = stack(Residual, Residual).subject

        def forward(self, x: Tensor) -> Tensor:
            x.requires_grad_()
            (force,) = torch.autograd.grad(self.body(x).sum(), x, create_graph=True)
            return force

    assert paths(work_of(Force(), torch.randn(4, 8))) == ["body.blocks.0", "body.blocks.1"]


def test_nothing_is_left_behind() -> None:
    work = stack(Counting, Residual)
    before = [dict(vars(module)) for module in work.subject.modules()]
    find_blocks(work)
    assert [vars(module) for module in work.subject.modules()] == before
    for module in work.subject.modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks
        assert not module._forward_hooks_with_kwargs
        assert not module._forward_hooks_always_called


@pytest.mark.parametrize("is_reentrant", [False, True])
def test_what_the_program_checkpoints_itself(is_reentrant: bool) -> None:
    class Own(nn.Module):
        def __init__(self, inside: bool) -> None:
            super().__init__()
            self.blocks, self.inside = nn.ModuleList([Residual(), Residual()]), inside

        def forward(self, x: Tensor) -> Tensor:
            for block in self.blocks:
                x = checkpoint(block.forward if self.inside else block, x, use_reentrant=is_reentrant)
            return x

    for inside in (False, True):
        work = work_of(Own(inside), torch.randn(4, 8, requires_grad=True))
        blocks = find_blocks(work, () if not inside else ["blocks.*.linear"])
        assert [block.options for block in blocks] == [(NONE,)] * 2
        assert {block.reason for block in blocks} == {"the program checkpoints it already"}


def test_compiled_blocks_say_why() -> None:
    compiled = torch.compile(stack(Residual, Residual).subject, backend="eager")
    blocks = find_blocks(work_of(compiled, torch.randn(4, 8)))
    assert {block.reason for block in blocks} == {
        "it is part of a compiled graph: checkpoint it before torch.compile"
    }
    each = stack(Residual, Residual)
    for number in (0, 1):
        each.subject.blocks[number] = torch.compile(each.subject.blocks[number], backend="eager")
    assert [block.options[:2] for block in find_blocks(each)] == [(NONE, BLOCK)] * 2


def test_script_modules_take_no_hooks() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        scripted = torch.jit.script(Residual())
    work = work_of(nn.Sequential(scripted, Residual(), Residual()), torch.randn(4, 8))
    assert [(block.path, block.reason) for block in find_blocks(work, ["?"])] == [
        ("1", None),
        ("2", None),
    ]
    (block,) = find_blocks(work, ["0"])
    assert block.reason == "it is a ScriptModule, whose forward cannot be replaced"
