"""Physics, graphs, implicit layers."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812  its usual name
from torch import Tensor, nn

from architectures.training import healthy, train


@healthy
def physics_informed() -> None:
    body = [m for _ in range(6) for m in (nn.Linear(32, 32), nn.Tanh())]
    net = nn.Sequential(nn.Linear(2, 32), nn.Tanh(), *body, nn.Linear(32, 1))
    for module in net:
        if isinstance(module, nn.Linear):
            nn.init.xavier_normal_(module.weight)

    def loss() -> Tensor:
        x = torch.rand(64, 2, requires_grad=True)
        u = net(x)
        (slope,) = torch.autograd.grad(u.sum(), x, create_graph=True)
        (second,) = torch.autograd.grad(slope[:, 0].sum(), x, create_graph=True)
        return (slope[:, 1:] - 0.1 * second[:, :1]).pow(2).mean() + u.pow(2).mean()

    train(net, loss)


@healthy
def sinusoidal_field() -> None:
    class Sine(nn.Module):
        def __init__(self, inner: int, outer: int, first: bool) -> None:
            super().__init__()
            self.linear, self.frequency = nn.Linear(inner, outer), 30.0
            bound = 1 / inner if first else math.sqrt(6 / inner) / 30
            nn.init.uniform_(self.linear.weight, -bound, bound)

        def forward(self, x: Tensor) -> Tensor:
            return torch.sin(self.frequency * self.linear(x))

    net = nn.Sequential(Sine(2, 64, True), *(Sine(64, 64, False) for _ in range(6)), nn.Linear(64, 3))
    x, y = torch.rand(128, 2), torch.rand(128, 3)
    train(net, lambda: F.mse_loss(net(x), y), optimizer=torch.optim.Adam(net.parameters(), lr=1e-4))


@healthy
def graph_network() -> None:
    layers = nn.ModuleList(nn.Linear(24, 24) for _ in range(4))
    links = torch.rand(60, 60).lt(0.1).float() + torch.eye(60)
    links = links / links.sum(1, keepdim=True)
    x, y = torch.randn(60, 24), torch.randint(0, 4, (60,))
    head = nn.Linear(24, 4)
    both = nn.ModuleList([layers, head])

    def loss() -> Tensor:
        h = x
        for layer in layers:
            h = torch.relu(layer(links @ h))
        return F.cross_entropy(head(h), y)

    train(both, loss, 10)


@healthy
def deep_equilibrium() -> None:
    cell, inject, head = nn.Linear(24, 24), nn.Linear(10, 24), nn.Linear(24, 5)
    nn.init.orthogonal_(cell.weight, 0.8)
    both = nn.ModuleList([cell, inject, head])
    x, y = torch.randn(32, 10), torch.randint(0, 5, (32,))

    def loss() -> Tensor:
        z = torch.zeros(32, 24)
        for _ in range(30):
            z = torch.tanh(cell(z) + inject(x))
        return F.cross_entropy(head(z), y)

    train(both, loss)


@healthy
def neural_ode() -> None:
    field, head = nn.Sequential(nn.Linear(8, 32), nn.Tanh(), nn.Linear(32, 8)), nn.Linear(8, 3)
    both = nn.ModuleList([field, head])
    x, y = torch.randn(32, 8), torch.randint(0, 3, (32,))

    def loss() -> Tensor:
        h = x
        for _ in range(40):
            h = h + 0.05 * field(h)
        return F.cross_entropy(head(h), y)

    train(both, loss)


@healthy
def point_net() -> None:
    net = nn.Sequential(nn.Linear(3, 32), nn.ReLU(), nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 128))
    head = nn.Sequential(nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 5))
    both = nn.ModuleList([net, head])
    x, y = torch.randn(16, 200, 3), torch.randint(0, 5, (16,))
    train(both, lambda: F.cross_entropy(head(net(x).max(1).values), y))
