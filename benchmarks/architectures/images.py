"""Convolutions."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F  # noqa: N812  its usual name
from torch import Tensor, nn

from architectures.training import Residual, classify, healthy, kaiming, stack, train


def conv_block(inner: int, outer: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inner, outer, 3, stride, 1, bias=False), nn.BatchNorm2d(outer), nn.ReLU())


@healthy
def vgg_with_batch_norm() -> None:
    sizes = [(3, 16), (16, 16), (16, 32), (32, 32), (32, 64), (64, 64), (64, 64), (64, 64), (64, 64)]
    layers: list[nn.Module] = []
    for index, (inner, outer) in enumerate(sizes):
        layers += [conv_block(inner, outer), *([nn.MaxPool2d(2)] if index % 2 and index < 7 else [])]
    head = [nn.Flatten(), nn.Linear(64 * 16, 128), nn.ReLU(), nn.Dropout(), nn.Linear(128, 10)]
    classify(nn.Sequential(*layers, *head), 3, 32, 32)


@healthy
def vgg_without_norm() -> None:
    sizes = [(3, 16), (16, 16), (16, 32), (32, 32), (32, 64), (64, 64), (64, 64)]
    layers: list[nn.Module] = []
    for index, (inner, outer) in enumerate(sizes):
        layers += [nn.Conv2d(inner, outer, 3, padding=1), nn.ReLU()]
        layers += [nn.MaxPool2d(2)] if index % 2 else []
    head = [nn.Flatten(), nn.Linear(64 * 16, 256), nn.ReLU(), nn.Linear(256, 10)]
    classify(kaiming(nn.Sequential(*layers, *head)), 3, 32, 32)


class BasicBlock(nn.Module):
    def __init__(self, inner: int, outer: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inner, outer, 3, stride, 1, bias=False), nn.BatchNorm2d(outer)
        self.conv2, self.bn2 = nn.Conv2d(outer, outer, 3, 1, 1, bias=False), nn.BatchNorm2d(outer)
        self.short = nn.Conv2d(inner, outer, 1, stride, bias=False) if stride > 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        inside = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(inside + self.short(x))


@healthy
def resnet_32() -> None:
    blocks = [BasicBlock(16, 16, 1) for _ in range(5)] + [BasicBlock(16, 32, 2)]
    blocks += [BasicBlock(32, 32, 1) for _ in range(4)] + [BasicBlock(32, 64, 2)]
    blocks += [BasicBlock(64, 64, 1) for _ in range(4)]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)]
    model = nn.Sequential(conv_block(3, 16), *blocks, *head)
    sgd = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    classify(model, 3, 16, 16, optimizer=sgd)


class Dense(nn.Module):
    def __init__(self, count: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(conv_block(16 + 8 * i, 8) for i in range(count))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = torch.cat([x, layer(x)], dim=1)
        return x


@healthy
def dense_net() -> None:
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16 + 8 * 12, 10)]
    classify(nn.Sequential(conv_block(3, 16), Dense(12), *head), 3, 12, 12)


@healthy
def plain_batch_norm_conv_20() -> None:
    body = stack(20, lambda _: conv_block(16, 16))
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10)]
    classify(nn.Sequential(conv_block(3, 16), *body, *head), 3, 12, 12)


class UNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        widths = [3, 8, 16, 32, 64]
        self.down = nn.ModuleList(conv_block(a, b) for a, b in pairwise(widths))
        self.middle = conv_block(64, 64)
        self.up = nn.ModuleList(
            conv_block(2 * b, a if a > 3 else 8) for a, b in reversed(list(pairwise(widths)))
        )
        self.out = nn.Conv2d(8, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        kept = []
        for block in self.down:
            x = block(x)
            kept.append(x)
            x = F.max_pool2d(x, 2)
        x = self.middle(x)
        for block in self.up:
            skip = kept.pop()
            x = block(torch.cat([F.interpolate(x, skip.shape[-2:]), skip], 1))
        return self.out(x)


@healthy
def unet() -> None:
    model = UNet()
    x, y = torch.randn(4, 3, 32, 32), torch.randint(0, 2, (4, 32, 32))
    train(model, lambda: F.cross_entropy(model(x), y))


@healthy
def autoencoder_mlp() -> None:
    sizes = [64, 48, 32, 16, 4, 16, 32, 48, 64]
    layers = [m for a, b in pairwise(sizes) for m in (nn.Linear(a, b), nn.ReLU())]
    model = nn.Sequential(*layers[:-1])
    x = torch.randn(32, 64)
    train(model, lambda: F.mse_loss(model(x), x))


@healthy
def diffusion() -> None:
    model, when = UNet(), nn.Linear(1, 3)
    both = nn.ModuleList([model, when])
    model.out = nn.Conv2d(8, 3, 1)
    nn.init.zeros_(model.out.weight)
    x = torch.randn(4, 3, 32, 32)

    def loss() -> Tensor:
        t, noise = torch.rand(4, 1), torch.randn_like(x)
        level = t[:, :, None, None]
        noisy = (1 - level).sqrt() * x + level.sqrt() * noise + when(t)[:, :, None, None]
        return F.mse_loss(model(noisy), noise)

    train(both, loss)


@healthy
def mobile_net_like() -> None:
    def block(_: int) -> nn.Module:
        return Residual(
            nn.Sequential(
                conv_block(16, 48),
                nn.Conv2d(48, 48, 3, padding=1, groups=48),
                nn.BatchNorm2d(48),
                nn.ReLU6(),
                nn.Conv2d(48, 16, 1),
                nn.BatchNorm2d(16),
            )
        )

    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10)]
    classify(nn.Sequential(conv_block(3, 16), *stack(10, block), *head), 3, 12, 12)


@healthy
def mlp_mixer() -> None:
    class Mixer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norms = nn.ModuleList([nn.LayerNorm(32), nn.LayerNorm(32)])
            self.across = nn.Sequential(nn.Linear(16, 32), nn.GELU(), nn.Linear(32, 16))
            self.within = nn.Sequential(nn.Linear(32, 64), nn.GELU(), nn.Linear(64, 32))

        def forward(self, x: Tensor) -> Tensor:
            x = x + self.across(self.norms[0](x).transpose(1, 2)).transpose(1, 2)
            return x + self.within(self.norms[1](x))

    head = [nn.Flatten(), nn.Linear(16 * 32, 10)]
    classify(nn.Sequential(*stack(10, lambda _: Mixer()), *head), 16, 32)


@healthy
def style_net_with_noise() -> None:
    class Styled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.style = nn.Conv2d(16, 16, 3, padding=1), nn.Linear(8, 16)
            self.strength = nn.Parameter(torch.zeros(16, 1, 1))

        def forward(self, given: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
            x, w = given
            x = F.instance_norm(self.conv(x)) * (1 + self.style(w)[:, :, None, None])
            return F.leaky_relu(x + self.strength * torch.randn_like(x), 0.2), w

    mapping = kaiming(nn.Sequential(*[m for _ in range(8) for m in (nn.Linear(8, 8), nn.LeakyReLU(0.2))]))
    layers, out = nn.Sequential(*stack(8, lambda _: Styled())), nn.Conv2d(16, 3, 1)
    start, real = nn.Parameter(torch.randn(1, 16, 8, 8)), torch.randn(4, 3, 8, 8)
    both = nn.ModuleList([mapping, layers, out])
    both.register_parameter("start", start)

    def loss() -> Tensor:
        x, _ = layers((start.expand(4, -1, -1, -1), mapping(torch.randn(4, 8))))
        return F.mse_loss(out(x), real)

    train(both, loss)
