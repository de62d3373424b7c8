"""A recurrent net whose step makes its state a little larger each time: 1.4 to the power of 60.

    gradscope trace examples/exploding.py

Look for GS405 and its profile: what arrives at the first use of the recurrent weight is a hundred million
times what arrives at its last. With an orthogonal weight of gain 1 the state keeps its size, and so does the gradient.
"""

import torch
from torch import nn


class Recurrent(nn.Module):
    def __init__(self, gain):
        super().__init__()
        self.enter = nn.Linear(4, 16)
        self.step = nn.Linear(16, 16, bias=False)
        self.head = nn.Linear(16, 2)
        nn.init.orthogonal_(self.step.weight, gain)

    def forward(self, x):
        state = torch.zeros(len(x), 16)
        for now in x.unbind(1):
            state = self.step(state) + self.enter(now)  # <- GS405
        return self.head(state)


torch.manual_seed(0)
x, y = torch.randn(8, 60, 4), torch.randint(0, 2, (8,))
for gain in (1.4, 1.0):
    model = Recurrent(gain)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(3):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
    print(f"gain {gain}   recurrent gradient {model.step.weight.grad.norm().item():.0e}")
