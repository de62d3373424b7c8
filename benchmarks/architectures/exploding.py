"""Bugged: gradients explode over the depth, over time, from step to step."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812  its usual name
from torch import Tensor, nn

from architectures.attention import language_model
from architectures.sequences import Cells
from architectures.training import Residual, bugged, classify, kaiming, stack, train
from architectures.vanishing import plain


@bugged("GS405")
def relu_large_weights() -> None:
    classify(plain(20, 64, nn.ReLU, std=0.6), 64)


@bugged("GS405")
def chaotic_tanh() -> None:
    classify(plain(24, 64, nn.Tanh, std=2.0), 64)


@bugged("GS405")
def residual_without_norm_large() -> None:
    def body() -> nn.Module:
        return kaiming(nn.Sequential(nn.Linear(48, 96), nn.ReLU(), nn.Linear(96, 48)), gain=2.5)

    blocks = stack(24, lambda _: Residual(body()))
    model = nn.Sequential(nn.Linear(20, 48), *blocks, nn.Linear(48, 10))
    classify(model, 20, optimizer=torch.optim.SGD(model.parameters(), lr=1e-9))


@bugged("GS405")
def convolutions_too_large() -> None:
    body = [m for _ in range(20) for m in (nn.Conv2d(16, 16, 3, padding=1), nn.ReLU())]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10)]
    model = kaiming(nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), *body, *head), gain=3.5)
    classify(model, 3, 12, 12)


@bugged("GS405")
def linear_stack_too_large() -> None:
    model = nn.Sequential(*stack(16, lambda _: nn.Linear(32, 32)))
    for layer in model:
        nn.init.normal_(layer.weight, std=0.5)
    x = torch.randn(32, 32)
    train(model, lambda: F.smooth_l1_loss(model(x), x))


@bugged("GS405")
def attention_without_scale_or_norm() -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.q, self.k, self.v, self.o = (nn.Linear(32, 32) for _ in range(4))
            for layer in (self.q, self.k, self.v, self.o):
                nn.init.normal_(layer.weight, std=0.25)

        def forward(self, x: Tensor) -> Tensor:
            return x + self.o((self.q(x) @ self.k(x).transpose(1, 2)).softmax(-1) @ self.v(x))

    language_model(nn.Sequential(nn.Embedding(50, 32), *stack(16, lambda _: Block()), nn.Linear(32, 50)))


class Recurrent(nn.Module):
    def __init__(self, width: int, radius: float) -> None:
        super().__init__()
        self.step, self.give = nn.Linear(width, width, bias=False), nn.Linear(8, width)
        nn.init.orthogonal_(self.step.weight, radius)

    def forward(self, now: Tensor, state: Tensor) -> Tensor:
        return self.step(state) + self.give(now)


@bugged("GS405")
def linear_recurrence_60() -> None:
    classify(Cells(Recurrent(24, 1.3), 24), 60, 8, classes=2)


@bugged("GS405")
def relu_recurrence_80() -> None:
    class Relu(Recurrent):
        def forward(self, now: Tensor, state: Tensor) -> Tensor:
            return torch.relu(super().forward(now, state))

    classify(Cells(Relu(24, 1.9), 24), 80, 8, classes=2)


@bugged("GS405")
def shared_block_too_large() -> None:
    block, head = nn.Linear(32, 32), nn.Linear(32, 5)
    nn.init.orthogonal_(block.weight, 1.5)
    both = nn.ModuleList([block, head])
    x, y = torch.randn(32, 32), torch.randint(0, 5, (32,))

    def loss() -> Tensor:
        h = x
        for _ in range(40):
            h = h + F.leaky_relu(block(h), 0.5)
        return F.cross_entropy(head(h), y)

    train(both, loss)


def descend(model: nn.Module, x: Tensor, y: Tensor, lr: float, steps: int, momentum: float = 0.0) -> None:
    sgd = torch.optim.SGD(model.parameters(), lr=lr, momentum=momentum)
    train(model, lambda: F.mse_loss(model(x), y), steps, sgd)


@bugged("GS405")
def raw_features() -> None:
    x = torch.rand(64, 3) * torch.tensor([3000.0, 5.0, 40.0])
    descend(nn.Linear(3, 1), x, x[:, :1] * 120, 0.01, 10)


@bugged("GS405")
def raw_features_in_a_net() -> None:
    x = torch.rand(64, 3) * torch.tensor([300.0, 5.0, 40.0])
    descend(nn.Sequential(nn.Linear(3, 16), nn.ReLU(), nn.Linear(16, 1)), x, x[:, :1] * 12, 1e-3, 10)


@bugged("GS405")
def learning_rate_too_high() -> None:
    x = torch.randn(64, 8)
    descend(nn.Sequential(nn.Linear(8, 32), nn.Tanh(), nn.Linear(32, 1)), x, x[:, :1], 3.0, 40, 0.9)


@bugged("GS405")
def learning_rate_slightly_too_high() -> None:
    x = torch.randn(64, 8)
    descend(nn.Linear(8, 1), x, x[:, :1], 1.2, 60)


@bugged("GS405")
def raw_targets() -> None:
    x = torch.randn(64, 8)
    descend(nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 1)), x, 1e5 * x[:, :1], 0.05, 10)


@bugged("GS405")
def convolutions_growing() -> None:
    model = nn.Sequential(
        *stack(30, lambda _: nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU())), nn.Flatten()
    )
    kaiming(model, gain=2.6)
    x = torch.randn(8, 8, 8, 8)
    train(model, lambda: F.smooth_l1_loss(model(x), torch.zeros(8, 512)))
