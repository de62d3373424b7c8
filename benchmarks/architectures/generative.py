"""Generative nets: adversarial, variational, flows."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812  its usual name
from torch import Tensor, nn

from architectures.images import conv_block
from architectures.training import healthy, train


def contest(generator: nn.Module, critic: nn.Module, real: Tensor, noise: int, steps: int) -> None:
    """Trains two nets against each other, with one optimizer each; `noise` is how wide it is."""
    of_g = torch.optim.Adam(generator.parameters(), lr=2e-4)
    of_d = torch.optim.Adam(critic.parameters(), lr=2e-4)
    for _ in range(steps):
        fake = generator(torch.randn(len(real), noise))
        of_d.zero_grad()
        (F.softplus(-critic(real)).mean() + F.softplus(critic(fake.detach())).mean()).backward()
        of_d.step()
        of_g.zero_grad()
        F.softplus(-critic(fake)).mean().backward()
        of_g.step()


@healthy
def gan() -> None:
    def net(inner: int, outer: int) -> nn.Sequential:
        return nn.Sequential(
            nn.Linear(inner, 64),
            nn.LeakyReLU(0.2),
            nn.Linear(64, 64),
            nn.LeakyReLU(0.2),
            nn.Linear(64, 64),
            nn.LeakyReLU(0.2),
            nn.Linear(64, outer),
        )

    generator, critic = net(8, 16), net(16, 1)
    contest(generator, critic, torch.randn(32, 16), noise=8, steps=20)


@healthy
def dcgan() -> None:
    def up(a: int, b: int) -> nn.Module:
        return nn.Sequential(nn.ConvTranspose2d(a, b, 4, 2, 1), nn.BatchNorm2d(b), nn.ReLU())

    generator = nn.Sequential(
        nn.Unflatten(1, (32, 1, 1)),
        up(32, 32),
        up(32, 32),
        up(32, 16),
        up(16, 16),
        nn.Conv2d(16, 3, 3, padding=1),
        nn.Tanh(),
    )
    critic = nn.Sequential(
        conv_block(3, 16, 2), conv_block(16, 32, 2), conv_block(32, 32, 2), nn.Flatten(), nn.Linear(128, 1)
    )
    for module in [*generator.modules(), *critic.modules()]:
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(module.weight, std=0.02)
    contest(generator, critic, torch.randn(8, 3, 16, 16), noise=32, steps=6)


@healthy
def wasserstein_with_penalty() -> None:
    critic = nn.Sequential(nn.Linear(8, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1))

    def loss() -> Tensor:
        real, fake = torch.randn(32, 8), torch.rand(32, 8)
        between = (real + 0.5 * (fake - real)).requires_grad_()
        (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
        return critic(fake).mean() - critic(real).mean() + 10 * (slope.norm(dim=1) - 1).pow(2).mean()

    train(critic, loss)


@healthy
def vae() -> None:
    encoder = nn.Sequential(nn.Linear(64, 48), nn.ReLU(), nn.Linear(48, 32), nn.ReLU(), nn.Linear(32, 16))
    decoder = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 48), nn.ReLU(), nn.Linear(48, 64))
    both = nn.ModuleList([encoder, decoder])
    x = torch.rand(32, 64)

    def loss() -> Tensor:
        mean, log = encoder(x).chunk(2, 1)
        z = mean + torch.randn_like(mean) * (log / 2).exp()
        against = 0.5 * (mean**2 + log.exp() - 1 - log).sum(1).mean()
        return F.binary_cross_entropy_with_logits(decoder(z), x, reduction="sum") / 32 + against

    train(both, loss)


@healthy
def normalising_flow() -> None:
    class Coupling(nn.Module):
        def __init__(self, flip: bool) -> None:
            super().__init__()
            self.net = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 8))
            self.flip = flip

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            a, b = x.chunk(2, 1)[:: -1 if self.flip else 1]
            log, shift = self.net(a).chunk(2, 1)
            log = torch.tanh(log)
            b = b * log.exp() + shift
            return torch.cat([b, a] if self.flip else [a, b], 1), log.sum(1)

    flow = nn.ModuleList(Coupling(bool(i % 2)) for i in range(12))

    def loss() -> Tensor:
        x, volume = torch.randn(64, 8), torch.zeros(64)
        for layer in flow:
            x, log = layer(x)
            volume = volume + log
        return (0.5 * x.pow(2).sum(1) - volume).mean()

    train(flow, loss)


@healthy
def spectral_norm_critic() -> None:
    def layer(inner: int, outer: int) -> nn.Module:
        return nn.utils.parametrizations.spectral_norm(nn.Linear(inner, outer))

    body = [m for _ in range(6) for m in (layer(48, 48), nn.LeakyReLU(0.2))]
    critic = nn.Sequential(layer(16, 48), nn.LeakyReLU(0.2), *body, layer(48, 1))
    train(
        critic,
        lambda: (F.relu(1 - critic(torch.randn(32, 16))) + F.relu(1 + critic(torch.rand(32, 16)))).mean(),
    )
