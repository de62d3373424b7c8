"""Bugged: gradients vanish over the depth."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812  its usual name
from torch import Tensor, nn

from architectures.attention import language_model
from architectures.training import bugged, classify, stack, train


def plain(depth: int, width: int, act: Callable[[], nn.Module], std: float | None = None) -> nn.Sequential:
    body = [m for _ in range(depth) for m in (nn.Linear(width, width), act())]
    model = nn.Sequential(*body, nn.Linear(width, 10))
    if std is not None:
        for module in body:
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=std)
                nn.init.zeros_(module.bias)
    return model


@bugged("GS404")
def sigmoid_10() -> None:
    classify(plain(10, 64, nn.Sigmoid), 64)


@bugged("GS404")
def sigmoid_20_under_sgd() -> None:
    model = plain(20, 32, nn.Sigmoid)
    classify(model, 32, optimizer=torch.optim.SGD(model.parameters(), lr=0.1))


@bugged("GS404")
def tanh_small_weights() -> None:
    classify(plain(12, 64, nn.Tanh, std=0.02), 64)


@bugged("GS404")
def relu_30_by_default() -> None:
    classify(plain(30, 64, nn.ReLU), 64)


@bugged("GS404")
def gelu_24_small_weights() -> None:
    classify(plain(24, 64, nn.GELU, std=0.05), 64)


@bugged("GS404")
def softplus_chain() -> None:
    classify(plain(30, 32, nn.Softplus), 32)


@bugged("GS404")
def hard_sigmoid_10() -> None:
    classify(plain(10, 32, nn.Hardsigmoid), 32)


@bugged("GS404")
def convolutions_without_anything() -> None:
    body = [m for _ in range(24) for m in (nn.Conv2d(16, 16, 3, padding=1), nn.ReLU())]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10)]
    classify(nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), *body, *head), 3, 12, 12)


@bugged("GS404")
def attention_without_residuals() -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.q, self.k, self.v, self.o = (nn.Linear(32, 32) for _ in range(4))
            self.up, self.down = nn.Linear(32, 64), nn.Linear(64, 32)

        def forward(self, x: Tensor) -> Tensor:
            share = (self.q(x) @ self.k(x).transpose(1, 2) / 32**0.5).softmax(-1)
            return self.down(F.gelu(self.up(self.o(share @ self.v(x)))))

    model = nn.Sequential(nn.Embedding(50, 32), *stack(12, lambda _: Block()), nn.Linear(32, 50))
    language_model(model)


@bugged("GS404")
def residual_scaled_down() -> None:
    class Half(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Linear(32, 32)

        def forward(self, x: Tensor) -> Tensor:
            return 0.5 * x + 0.1 * torch.relu(self.body(x))

    classify(nn.Sequential(nn.Linear(20, 32), *stack(30, lambda _: Half()), nn.Linear(32, 10)), 20)


@bugged("GS404")
def product_of_gates() -> None:
    class Gate(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gate = nn.Linear(32, 32)

        def forward(self, x: Tensor) -> Tensor:
            return x * torch.sigmoid(self.gate(x)) * 0.5

    classify(nn.Sequential(nn.Linear(20, 32), *stack(16, lambda _: Gate()), nn.Linear(32, 10)), 20)


@bugged("GS404")
def softmax_between_layers() -> None:
    classify(plain(8, 32, lambda: nn.Softmax(-1)), 32)


@bugged("GS404")
def deep_encoder_of_an_autoencoder() -> None:
    model = nn.Sequential(*plain(14, 32, nn.Sigmoid), *plain(2, 10, nn.ReLU)[:-1])
    x = torch.rand(32, 32)
    train(model, lambda: F.mse_loss(model(x), x[:, :10]))


@bugged("GS404")
def tensors_without_modules() -> None:
    weights = [(0.1 * torch.randn(24, 24)).requires_grad_() for _ in range(20)]
    x, y = torch.randn(32, 24), torch.randn(32, 24)
    optimizer = torch.optim.SGD(weights, lr=0.1)
    for _ in range(5):
        h = x
        for weight in weights[:-1]:
            h = torch.tanh(h @ weight)
        optimizer.zero_grad()
        F.mse_loss(h @ weights[-1], y).backward()
        optimizer.step()
