"""A network whose encoder never learns, although the loss falls.

    gradscope trace examples/severed.py

Look for: the line where the value goes on and the gradient does not. The head learns around it,
so nothing looks broken; all four parameters of the encoder get no gradient at all.
"""

import numpy as np
import torch
from torch import nn


def smooth(signal):
    """A moving average over three neighbours."""
    kernel = np.ones(3, dtype=signal.dtype) / 3
    return np.stack([np.convolve(row, kernel, mode="same") for row in signal])


class Denoiser(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 32))
        self.head = nn.Linear(32, 64)

    def forward(self, x):
        h = self.encoder(x)
        h = torch.from_numpy(smooth(h.detach().numpy()))  # <- GS102
        return self.head(h)


torch.manual_seed(0)
clean = torch.sin(torch.linspace(0, 12, 64) + 6 * torch.rand(128, 1))
noisy = clean + 0.3 * torch.randn_like(clean)

model = Denoiser()
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
for step in range(5):
    loss = nn.functional.mse_loss(model(noisy), clean)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(f"step {step}   loss {loss.item():.4f}")
