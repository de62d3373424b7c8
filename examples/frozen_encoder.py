"""Fine-tuning with a frozen encoder: no gradient for it, and that is meant.

    gradscope trace examples/frozen_encoder.py

Look for silence: `requires_grad_(False)` says so in the program, and the optimizer holds the head alone.
"""

import torch
from torch import nn


class Tuned(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 16))
        self.head = nn.Linear(16, 3)
        self.encoder.requires_grad_(False)

    def forward(self, x):
        return self.head(self.encoder(x))


torch.manual_seed(0)
model = Tuned()
optimizer = torch.optim.Adam(model.head.parameters(), lr=1e-2)
x, y = torch.randn(64, 8), torch.randint(0, 3, (64,))
for step in range(4):
    loss = nn.functional.cross_entropy(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(f"step {step}   loss {loss.item():.4f}")
print("encoder:", model.encoder[0].weight.grad)
