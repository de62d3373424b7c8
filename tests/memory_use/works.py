"""Small models of the kinds that are checkpointed, and steps of them."""

from __future__ import annotations

import random
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from gradscope.loader.inputs import Inputs
from gradscope.loader.loss import find_loss
from gradscope.loader.options import Options
from gradscope.loader.placement import choose_placement
from gradscope.loader.work import Work


def work_of(subject: Any, *args: Tensor, loss: str | None = "mean", **kwargs: Tensor) -> Work:
    """Steps of a module, or of a function, on the CPU."""
    placement = choose_placement(Options(device="cpu"))
    return Work(subject, "subject", Inputs(args, kwargs), find_loss(loss), placement)


class Attention(nn.Module):
    """Self-attention with dropout."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)
        self.drop = nn.Dropout(0.1)

    def forward(self, x: Tensor, *, mask: Tensor | None = None) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, -1)
        scores = q @ k.transpose(-1, -2) / x.shape[-1] ** 0.5
        if mask is not None:
            scores = scores.masked_fill(mask, -1e9)
        return self.drop(scores.softmax(-1)) @ v


class Mlp(nn.Module):
    """Two linear layers with a GELU between them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(functional.gelu(self.up(x)))


class Layer(nn.Module):
    """A transformer's block, which returns a tuple."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm_1, self.norm_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn, self.mlp = Attention(width), Mlp(width)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, None]:
        x = x + self.attn(self.norm_1(x), mask=mask)
        return x + self.mlp(self.norm_2(x)), None


class Transformer(nn.Module):
    """Blocks in a ModuleList; `shared` has it call one of them again and again."""

    def __init__(self, depth: int = 4, width: int = 16, shared: bool = False) -> None:
        super().__init__()
        self.embed = nn.Embedding(20, width)
        made = [Layer(width) for _ in range(1 if shared else depth)]
        self.layers = nn.ModuleList(made * depth if shared else made)
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 20)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens)
        mask = torch.ones(tokens.shape[1], tokens.shape[1], dtype=torch.bool).triu(1)
        for layer in self.layers:
            x, _ = layer(x, mask=mask)
        return self.head(self.norm(x))


def tokens(batch: int = 2, length: int = 12) -> Tensor:
    return torch.arange(batch * length).reshape(batch, length) % 20


def transformer(depth: int = 4, shared: bool = False) -> Work:
    torch.manual_seed(0)
    return work_of(Transformer(depth, shared=shared), tokens())


class DoubleConv(nn.Sequential):
    """Convolution, BatchNorm and an in-place ReLU, twice."""

    def __init__(self, inside: int, out: int) -> None:
        layers: list[nn.Module] = []
        for size in (inside, out):
            layers += [nn.Conv2d(size, out, 3, padding=1), nn.BatchNorm2d(out), nn.ReLU(inplace=True)]
        super().__init__(*layers)


class Down(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.pool, self.conv = nn.MaxPool2d(2), DoubleConv(size, 2 * size)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(self.pool(x))


class Up(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.up, self.conv = nn.ConvTranspose2d(2 * size, size, 2, stride=2), DoubleConv(2 * size, size)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        return self.conv(torch.cat([skip, self.up(x)], 1))


class UNet(nn.Module):
    """Skips go from every Down to its Up."""

    def __init__(self, size: int = 4, depth: int = 2) -> None:
        super().__init__()
        self.inc = DoubleConv(3, size)
        self.downs = nn.ModuleList(Down(size * 2**n) for n in range(depth))
        self.ups = nn.ModuleList(Up(size * 2**n) for n in reversed(range(depth)))
        self.out = nn.Conv2d(size, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        skips = [self.inc(x)]
        for down in self.downs:
            skips.append(down(skips[-1]))
        x = skips.pop()
        for up in self.ups:
            x = up(x, skips.pop())
        return self.out(x)


def unet() -> Work:
    torch.manual_seed(0)
    return work_of(UNet(), torch.randn(2, 3, 16, 16))


class Recurrent(nn.Module):
    """An LSTM per layer, with one Dropout that all share."""

    def __init__(self, depth: int = 3, width: int = 8) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.LSTM(width, width, batch_first=True) for _ in range(depth))
        self.drop, self.head = nn.Dropout(0.1), nn.Linear(width, 3)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = self.drop(layer(x)[0])
        return self.head(x)


def recurrent() -> Work:
    torch.manual_seed(0)
    return work_of(Recurrent(), torch.randn(2, 10, 8))


class Residual(nn.Module):
    """One linear layer beside the input."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.linear = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + torch.tanh(self.linear(x))


class Counting(Residual):
    """Its values depend on how often it was called."""

    def __init__(self, width: int = 8) -> None:
        super().__init__(width)
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return x + torch.tanh(self.linear(x) * self.calls)


class Leaping(Residual):
    """Goes as far as Python's random has it."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * torch.full_like(x, random.random())


class Changing(Residual):
    """Its matrix product is changed in place: what a selective checkpoint keeps is spoilt."""

    def forward(self, x: Tensor) -> Tensor:
        return x + self.linear(x).relu_()


class Averaging(Residual):
    """Scales by a buffer that its forward moves on, like the vectors of a spectral norm."""

    def __init__(self, width: int = 8) -> None:
        super().__init__(width)
        self.register_buffer("mean", torch.ones(width))
        self.register_buffer("fixed", torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            self.mean.mul_(0.5).add_(x.mean(0))
        return x + torch.tanh(self.linear(x) * self.mean.clone()) * self.fixed


class Stack(nn.Module):
    """Blocks one after another."""

    def __init__(self, *blocks: nn.Module) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return x


def stack(*kinds: type[nn.Module]) -> Work:
    torch.manual_seed(0)
    return work_of(Stack(*[kind() for kind in kinds]), torch.randn(4, 8))
