"""The printed code does what was measured."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from gradscope.loader.work import Work
from gradscope.memory_use.agreed import BLOCK, NONE, SELECTIVE, BlockModule
from gradscope.memory_use.blocks import find_blocks
from gradscope.memory_use.code import code_for
from gradscope.memory_use.gradients import compared, gradients_of
from gradscope.memory_use.measuring import measure
from tests.memory_use.works import (
    Averaging,
    Residual,
    Stack,
    Transformer,
    recurrent,
    stack,
    tokens,
    transformer,
    unet,
    work_of,
)

Choose = Callable[[int, BlockModule], str]
CHOICES: dict[str, Choose] = {
    "every": lambda number, block: BLOCK,
    "selective": lambda number, block: SELECTIVE if SELECTIVE in block.options else BLOCK,
    "mixed": lambda number, block: block.options[number % len(block.options)],
}
WORKS: dict[str, Callable[[], Work]] = {
    "transformer": lambda: transformer(6),
    "shared": lambda: transformer(shared=True),
    "unet": unet,
    "recurrent": recurrent,
    "buffers": lambda: stack(Averaging, Averaging, Residual),
}


@pytest.mark.parametrize("choose", CHOICES)
@pytest.mark.parametrize("make", WORKS)
def test_code_gives_the_same_peak_and_gradients(make: str, choose: str) -> None:
    work, fresh = WORKS[make](), WORKS[make]()
    blocks = find_blocks(work)
    choices = tuple(CHOICES[choose](number, block) for number, block in enumerate(blocks))
    names = list(dict(fresh.subject.named_parameters()))
    exec(code_for(work.roots, blocks, choices), {"model": fresh.subject})
    assert list(dict(fresh.subject.named_parameters())) == names
    assert measure(fresh) == measure(work, blocks, choices)
    assert compared(gradients_of(work), gradients_of(fresh)).names == ()
    gradients_of(work)
    for one, other in zip(work.subject.buffers(), fresh.subject.buffers(), strict=True):
        assert torch.equal(one, other)


def loops(work: Work, *choices: str) -> str:
    """The code below its imports and definitions."""
    code = code_for(work.roots, find_blocks(work), choices)
    compile(code, "code", "exec")
    return code.partition("# once, after the model is made, before it is compiled or wrapped\n")[2]


PLAIN = "    block.forward = partial(checkpoint, block.forward, use_reentrant=False)\n"


def test_all_blocks_are_one_loop() -> None:
    assert code_for(transformer().roots, find_blocks(transformer()), (BLOCK,) * 4) == (
        "from functools import partial\n"
        "\n"
        "from torch.utils.checkpoint import checkpoint\n"
        "\n"
        "# once, after the model is made, before it is compiled or wrapped\n"
        "for block in model.layers:\n" + PLAIN
    )


@pytest.mark.parametrize(
    ("choices", "over"),
    [
        ((BLOCK, BLOCK, NONE, NONE), "model.layers[:2]"),
        ((NONE, BLOCK, BLOCK, NONE), "model.layers[1:3]"),
        ((NONE, NONE, BLOCK, BLOCK), "model.layers[2:]"),
        ((BLOCK, NONE, BLOCK, NONE), "(model.layers[i] for i in (0, 2))"),
        (("mlp", "mlp", "mlp", NONE), "(model.layers[i].mlp for i in range(3))"),
        ((NONE, "attn", "attn", NONE), "(model.layers[i].attn for i in range(1, 3))"),
        ((BLOCK, "attn", NONE, BLOCK), "(*(model.layers[i] for i in (0, 3)), model.layers[1].attn)"),
    ],
)
def test_equal_runs_are_folded(choices: tuple[str, ...], over: str) -> None:
    assert loops(transformer(), *choices) == f"for block in {over}:\n{PLAIN}"


def test_one_module_needs_no_loop() -> None:
    assert loops(transformer(), NONE, "mlp", NONE, NONE) == (
        "block = model.layers[1].mlp\n"
        "block.forward = partial(checkpoint, block.forward, use_reentrant=False)\n"
    )


def test_ways_are_apart() -> None:
    assert loops(transformer(), BLOCK, SELECTIVE, SELECTIVE, BLOCK) == (
        f"for block in (model.layers[i] for i in (0, 3)):\n{PLAIN}"
        "\n"
        "for block in model.layers[1:3]:\n"
        "    block.forward = partial(\n"
        "        checkpoint, block.forward, use_reentrant=False, context_fn=selective\n"
        "    )\n"
    )


def test_nothing_to_apply() -> None:
    assert code_for(transformer().roots, find_blocks(transformer()), (NONE,) * 4) == ""


def test_names_that_are_no_attributes() -> None:
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.by_name = nn.ModuleDict({"first one": Residual(), "class": Residual()})
            self.add_module("2nd", Stack(Residual(), Residual()))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            for block in self.by_name.values():
                x = block(x)
            return self.get_submodule("2nd")(x)

    work = work_of(Named(), torch.randn(4, 8))
    code = loops(work, BLOCK, BLOCK, BLOCK, BLOCK)
    assert code.partition(":")[0].split("\n") == [
        "for block in (",
        '    model.by_name["first one"],',
        '    model.by_name["class"],',
        '    *model.get_submodule("2nd").blocks,',
        ")",
    ]


def test_several_roots() -> None:
    first, second = Transformer(2), Transformer(2)
    work = work_of(lambda: first(tokens()).mean() + second(tokens()).mean())
    blocks = find_blocks(work)
    code = code_for(work.roots, blocks, (BLOCK,) * 4)
    assert "for block in (*model_1.layers, *model_2.layers):" in code
    assert "# model_1: the Transformer that is called first\n# model_2: the Transformer that is" in code
    named = code_for(work.roots, blocks, (BLOCK, NONE, NONE, BLOCK), ["generator", "critic"])
    assert "for block in (generator.layers[0], critic.layers[1]):" in named
