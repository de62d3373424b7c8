"""Several networks side by side: reinforcement learning, towers, heads, teachers."""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F  # noqa: N812  its usual name
from torch import Tensor, nn

from architectures.images import conv_block
from architectures.training import Residual, healthy, train


@healthy
def deep_q_network() -> None:
    online = nn.Sequential(nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2))
    target = copy.deepcopy(online)

    def loss() -> Tensor:
        s, a, r, after = torch.randn(32, 4), torch.randint(0, 2, (32, 1)), torch.rand(32), torch.randn(32, 4)
        with torch.no_grad():
            goal = r + 0.99 * target(after).max(1).values
        return F.smooth_l1_loss(online(s).gather(1, a)[:, 0], goal)

    train(online, loss, 20)


@healthy
def actor_critic() -> None:
    body, actor, critic = (
        nn.Sequential(nn.Linear(4, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh()),
        nn.Linear(64, 2),
        nn.Linear(64, 1),
    )
    nn.init.orthogonal_(actor.weight, 0.01)
    both = nn.ModuleList([body, actor, critic])

    def loss() -> Tensor:
        h = body(torch.randn(32, 4))
        policy = torch.distributions.Categorical(logits=actor(h))
        action, gain = policy.sample(), torch.randn(32)
        value = critic(h)[:, 0]
        return -(policy.log_prob(action) * (gain - value.detach())).mean() + F.mse_loss(value, gain)

    train(both, loss, 20)


@healthy
def siamese() -> None:
    net = nn.Sequential(conv_block(1, 16, 2), conv_block(16, 32, 2), nn.Flatten(), nn.Linear(32 * 16, 16))
    a, b, same = torch.randn(16, 1, 16, 16), torch.randn(16, 1, 16, 16), torch.randint(0, 2, (16,))

    def loss() -> Tensor:
        apart = (net(a) - net(b)).pow(2).sum(1)
        return torch.where(same == 1, apart, F.relu(1 - (apart + 1e-6).sqrt()).pow(2)).mean()

    train(net, loss)


@healthy
def two_towers() -> None:
    def tower(count: int) -> nn.Sequential:
        body = [m for _ in range(count) for m in (nn.Linear(32, 32), nn.LayerNorm(32), nn.ReLU())]
        return nn.Sequential(*body, nn.Linear(32, 16))

    left, right = tower(8), tower(3)
    both = nn.ModuleList([left, right])

    def loss() -> Tensor:
        x = torch.randn(32, 32)
        a, b = F.normalize(left(x), dim=1), F.normalize(right(x), dim=1)
        return F.cross_entropy(a @ b.T / 0.07, torch.arange(32))

    train(both, loss)


@healthy
def distillation() -> None:
    teacher = nn.Sequential(nn.Linear(20, 128), nn.ReLU(), nn.Linear(128, 10)).requires_grad_(False)
    student = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 10))
    x = torch.randn(32, 20)

    def loss() -> Tensor:
        return F.kl_div(F.log_softmax(student(x) / 4, 1), F.softmax(teacher(x) / 4, 1), reduction="batchmean")

    train(student, loss, 10)


@healthy
def tiny_loss_weights() -> None:
    body = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU())
    heads = nn.ModuleList(nn.Linear(64, 1) for _ in range(8))
    both = nn.ModuleList([body, heads])
    x = torch.randn(32, 20)

    def loss() -> Tensor:
        h = body(x)
        return sum(10.0**-i * head(h).sub(x[:, :1]).pow(2).mean() for i, head in enumerate(heads))

    train(both, loss)


@healthy
def deep_supervision() -> None:
    blocks = nn.ModuleList(
        Residual(nn.Sequential(nn.LayerNorm(32), nn.Linear(32, 32), nn.GELU())) for _ in range(12)
    )
    heads = nn.ModuleList(nn.Linear(32, 5) for _ in range(12))
    both = nn.ModuleList([blocks, heads])
    x, y = torch.randn(32, 32), torch.randint(0, 5, (32,))

    def loss() -> Tensor:
        h, total = x, torch.zeros(())
        for index, (block, head) in enumerate(zip(blocks, heads, strict=True)):
            h = block(h)
            total = total + 0.5 ** (11 - index) * F.cross_entropy(head(h), y)
        return total

    train(both, loss)


@healthy
def gradient_reversal_with_small_weight() -> None:
    class Reversed(torch.autograd.Function):
        @staticmethod
        def forward(ctx: object, x: Tensor) -> Tensor:
            return x.view_as(x)

        @staticmethod
        def backward(ctx: object, gradient: Tensor) -> Tensor:
            return -1e-3 * gradient

    body = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU())
    label, domain = nn.Linear(32, 4), nn.Sequential(nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 2))
    both = nn.ModuleList([body, label, domain])
    x, y, d = torch.randn(32, 20), torch.randint(0, 4, (32,)), torch.randint(0, 2, (32,))

    def loss() -> Tensor:
        h = body(x)
        return F.cross_entropy(label(h), y) + F.cross_entropy(domain(Reversed.apply(h)), d)

    train(both, loss)
