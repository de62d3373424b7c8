"""A WGAN critic with its gradient penalty: a gradient inside a loss, done right.

    gradscope trace examples/wgan_gp.py

Look for silence. `create_graph=True` makes the penalty trainable. The critic's last bias shifts real and
fake scores alike, so its gradient is exactly 0, and rightly so.
"""

import torch
from torch import nn

torch.manual_seed(0)
critic = nn.Sequential(nn.Linear(2, 32), nn.Softplus(), nn.Linear(32, 1))
optimizer = torch.optim.Adam(critic.parameters(), lr=1e-3)

for step in range(4):
    real = torch.randn(64, 2) + 2
    fake = torch.randn(64, 2)
    mix = torch.rand(64, 1)
    between = (mix * real + (1 - mix) * fake).requires_grad_()
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    penalty = (slope.norm(dim=1) - 1).square().mean()
    loss = critic(fake).mean() - critic(real).mean() + 10 * penalty
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(f"step {step}   penalty {penalty.item():.4f}   last bias {critic[-1].bias.grad.item():.1f}")
