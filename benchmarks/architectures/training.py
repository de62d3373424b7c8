"""What the programs share: the loop, the tables they are registered in, a few modules."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812  its usual name
from torch import Tensor, nn

HEALTHY: dict[str, Callable[[], None]] = {}


def healthy(program: Callable[[], None]) -> Callable[[], None]:
    HEALTHY[program.__name__] = program
    return program


def train(
    model: nn.Module,
    loss_of: Callable[[], Tensor],
    steps: int = 5,
    optimizer: torch.optim.Optimizer | None = None,
    clip: float | None = None,
) -> None:
    """The plain loop."""
    optimizer = optimizer or torch.optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(steps):
        loss = loss_of()
        optimizer.zero_grad()
        loss.backward()
        if clip is not None:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()


def classify(model: nn.Module, *shape: int, classes: int = 10, steps: int = 5, **more: object) -> None:
    x, y = torch.randn(16, *shape), torch.randint(0, classes, (16,))
    train(model, lambda: F.cross_entropy(model(x), y), steps, **more)  # type: ignore[arg-type]  # passed on as given


def tokens(length: int = 24, size: int = 50) -> Tensor:
    return torch.randint(0, size, (8, length))


class Residual(nn.Module):
    """x + scale * body(x)."""

    def __init__(self, body: nn.Module, scale: float | Tensor = 1.0) -> None:
        super().__init__()
        self.body = body
        self.scale = nn.Parameter(scale) if isinstance(scale, Tensor) else scale

    def forward(self, x: Tensor) -> Tensor:
        return x + self.scale * self.body(x)


def stack(count: int, make: Callable[[int], nn.Module]) -> list[nn.Module]:
    return [make(index) for index in range(count)]


def kaiming(model: nn.Module, gain: float = math.sqrt(2.0)) -> nn.Module:
    """Variance-preserving weights, zero biases."""
    for module in model.modules():
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            fan_in = module.weight[0].numel()
            nn.init.normal_(module.weight, std=gain / math.sqrt(fan_in))
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return model


BUGGED: dict[str, tuple[str, Callable[[], None]]] = {}


def bugged(code: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    def register(program: Callable[[], None]) -> Callable[[], None]:
        BUGGED[program.__name__] = (code, program)
        return program

    return register
