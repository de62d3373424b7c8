"""`--style torchviz`: the picture is the one that torchviz makes of the live graph."""

from __future__ import annotations

import re
import warnings
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import Function

import gradscope
from gradscope.errors import PictureError
from gradscope.torchviz_style import torchviz_source


def live(output: Any, model: nn.Module) -> list[str]:
    """What torchviz draws of the live graph."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from torchviz import make_dot

        return bodies(make_dot(output, params=dict(model.named_parameters())).source)


class Doubled(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x, x * 2)
        return x * 2

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient * 2


def network() -> tuple[nn.Module, Tensor]:
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))
    return model, model(torch.randn(3, 4)).square().mean()


def transformer() -> tuple[nn.Module, Tensor]:
    model = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    return model, model(torch.randn(2, 5, 8)).sum()


def recurrent() -> tuple[nn.Module, Tensor]:
    model = nn.GRU(3, 4)
    return model, model(torch.randn(5, 2, 3))[0].square().sum()


def custom() -> tuple[nn.Module, Tensor]:
    model = nn.Linear(4, 4)
    return model, Doubled.apply(model(torch.randn(3, 4))).sum()


def bodies(source: str) -> list[str]:
    """The lines of DOT with objects numbered in the order in which they are named."""
    numbers: dict[str, str] = {}
    return [
        re.sub(
            r"(?<=^\t)\d+|(?<=-> )\d+", lambda found: numbers.setdefault(found[0], str(len(numbers))), line
        )
        for line in source.splitlines()
    ]


@pytest.mark.parametrize("program", [network, transformer, recurrent, custom])
def test_the_picture_is_torchvizs(program: Any) -> None:
    torch.manual_seed(0)
    model, loss = program()
    ours = torchviz_source(gradscope.graph(loss, names=model).data)
    assert bodies(ours) == live(loss, model)


def test_several_outputs() -> None:
    model = nn.Linear(4, 4)
    hidden = model(torch.randn(3, 4))
    outputs = (hidden.sin(), hidden.cos())
    ours = torchviz_source(gradscope.graph(outputs, names=model).data)
    assert bodies(ours) == live(outputs, model)


def test_what_is_too_deep_for_torchviz_is_said() -> None:
    x = torch.randn(3, requires_grad=True)
    for _ in range(3000):
        x = x + 1
    with pytest.raises(PictureError, match="by recursion, and 3,001 nodes are too many"):
        torchviz_source(gradscope.graph(x).data)
