"""A GAN that walks the generator's graph for both players; both nets share one forward."""

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, wide, out):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(wide, 12), nn.ReLU(), nn.Linear(12, out))

    def forward(self, x):
        return self.body(x)


torch.manual_seed(0)
generator, critic = Net(3, 2), Net(2, 1)
of_generator = torch.optim.Adam(generator.parameters())
of_critic = torch.optim.Adam(critic.parameters())
for _ in range(2):
    fake = generator(torch.randn(8, 3))
    apart = critic(fake).sigmoid().mean() - critic(torch.randn(8, 2)).sigmoid().mean()
    of_critic.zero_grad()
    apart.backward()
    of_critic.step()
    cost = -critic(fake).sigmoid().log().mean()
    of_generator.zero_grad()
    cost.backward()  # expect: GS301
    of_generator.step()
