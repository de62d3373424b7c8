"""Nets of linear layers: plain, normalised, residual."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812  its usual name
from torch import Tensor, nn

from architectures.training import Residual, classify, healthy, kaiming, stack, train


@healthy
def shallow_mlp() -> None:
    classify(nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10)), 20)


@healthy
def six_layers_of_default_relu() -> None:
    body = [m for _ in range(5) for m in (nn.Linear(64, 64), nn.ReLU())]
    classify(nn.Sequential(*body, nn.Linear(64, 10)), 64)


@healthy
def sigmoid_of_three_layers() -> None:
    body = [m for _ in range(2) for m in (nn.Linear(64, 64), nn.Sigmoid())]
    classify(nn.Sequential(*body, nn.Linear(64, 10)), 64)


@healthy
def kaiming_mlp_30() -> None:
    body = [m for _ in range(30) for m in (nn.Linear(128, 128), nn.ReLU())]
    classify(kaiming(nn.Sequential(*body, nn.Linear(128, 10))), 128)


@healthy
def orthogonal_tanh_30() -> None:
    body = [m for _ in range(30) for m in (nn.Linear(64, 64), nn.Tanh())]
    model = nn.Sequential(*body, nn.Linear(64, 10))
    for module in model:
        if isinstance(module, nn.Linear):
            nn.init.orthogonal_(module.weight, gain=1.05)
    classify(model, 64)


@healthy
def selu_mlp_20() -> None:
    body = [m for _ in range(20) for m in (nn.Linear(128, 128), nn.SELU())]
    classify(kaiming(nn.Sequential(*body, nn.Linear(128, 10)), gain=1.0), 128)


@healthy
def layer_norm_mlp_24() -> None:
    body = [m for _ in range(24) for m in (nn.Linear(64, 64), nn.LayerNorm(64), nn.GELU())]
    classify(nn.Sequential(*body, nn.Linear(64, 10)), 64)


@healthy
def residual_mlp_40() -> None:
    blocks = stack(
        40,
        lambda _: Residual(nn.Sequential(nn.LayerNorm(48), nn.Linear(48, 96), nn.GELU(), nn.Linear(96, 48))),
    )
    classify(nn.Sequential(nn.Linear(20, 48), *blocks, nn.LayerNorm(48), nn.Linear(48, 10)), 20)


@healthy
def residual_mlp_without_norm() -> None:
    blocks = stack(16, lambda _: Residual(nn.Sequential(nn.Linear(48, 48), nn.ReLU(), nn.Linear(48, 48))))
    classify(nn.Sequential(nn.Linear(20, 48), *blocks, nn.Linear(48, 10)), 20)


@healthy
def rezero_32() -> None:
    blocks = stack(32, lambda _: Residual(nn.Sequential(nn.Linear(48, 48), nn.ReLU()), torch.zeros(1)))
    classify(nn.Sequential(nn.Linear(20, 48), *blocks, nn.Linear(48, 10)), 20, steps=8)


@healthy
def layer_scale_24() -> None:
    blocks = stack(
        24,
        lambda _: Residual(
            nn.Sequential(nn.LayerNorm(48), nn.Linear(48, 96), nn.GELU(), nn.Linear(96, 48)),
            torch.full((48,), 1e-6),
        ),
    )
    classify(nn.Sequential(nn.Linear(20, 48), *blocks, nn.LayerNorm(48), nn.Linear(48, 10)), 20)


@healthy
def fixup_resnet() -> None:
    blocks = []
    for _ in range(12):
        body = nn.Sequential(nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1))
        nn.init.kaiming_normal_(body[0].weight)
        body[0].weight.data.mul_(12**-0.5)
        nn.init.zeros_(body[2].weight)
        blocks.append(Residual(body))
    head = nn.Linear(16, 10)
    nn.init.zeros_(head.weight)
    pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    classify(nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), *blocks, pool, head), 3, 12, 12)


class Highway(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.change, self.gate = nn.Linear(width, width), nn.Linear(width, width)
        nn.init.constant_(self.gate.bias, -2.0)

    def forward(self, x: Tensor) -> Tensor:
        gate = torch.sigmoid(self.gate(x))
        return gate * torch.relu(self.change(x)) + (1 - gate) * x


@healthy
def highway_30() -> None:
    blocks = stack(30, lambda _: Highway(48))
    classify(nn.Sequential(nn.Linear(20, 48), *blocks, nn.Linear(48, 10)), 20)


@healthy
def linear_regression() -> None:
    classify(nn.Linear(20, 10), 20)


@healthy
def deep_linear_identity() -> None:
    model = nn.Sequential(*stack(20, lambda _: nn.Linear(24, 24, bias=False)))
    for layer in model:
        nn.init.eye_(layer.weight)
    x = torch.randn(32, 24)
    target = x @ torch.randn(24, 24) / 5
    train(model, lambda: F.mse_loss(model(x), target))


def before_a_norm(gain: float) -> nn.Module:
    """Layers whose scale a normalisation near the loss makes up for."""
    body = kaiming(
        nn.Sequential(*[m for _ in range(16) for m in (nn.Linear(64, 64, bias=False), nn.ReLU())]), gain
    )
    return nn.Sequential(body, nn.LayerNorm(64, eps=0.0), nn.Linear(64, 10))


@healthy
def large_weights_before_a_norm() -> None:
    classify(before_a_norm(4.0), 64)


@healthy
def small_weights_before_a_norm() -> None:
    classify(before_a_norm(0.5), 64)


@healthy
def weight_normalised_mlp_16() -> None:
    def layer(_: int) -> nn.Module:
        linear = nn.Linear(64, 64)
        nn.init.normal_(linear.weight, std=math.sqrt(2 / 64))
        return nn.Sequential(nn.utils.parametrizations.weight_norm(linear), nn.ReLU())

    classify(nn.Sequential(*stack(16, layer), nn.Linear(64, 10)), 64)


@healthy
def summed_loss_accumulated() -> None:
    model = nn.Sequential(*stack(8, lambda _: Residual(nn.Sequential(nn.LayerNorm(32), nn.Linear(32, 32)))))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for step in range(12):
        x = torch.randn(64, 32)
        (model(x) - x.flip(1)).pow(2).sum().backward()
        if step % 4 == 3:
            optimizer.step()
            optimizer.zero_grad()


@healthy
def frozen_lower_half() -> None:
    blocks = stack(16, lambda _: Residual(nn.Sequential(nn.LayerNorm(32), nn.Linear(32, 32), nn.GELU())))
    for block in blocks[:8]:
        block.requires_grad_(False)
    classify(nn.Sequential(*blocks, nn.Linear(32, 10)), 32)
