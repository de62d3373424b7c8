"""A layer that forward never calls: its parameters get no gradient.

    gradscope trace examples/unused_parameter.py

Look for: the line that registers it. The optimizer carries it, the checkpoint stores it, weight decay
may even move it; it takes no part in the loss.
"""

import torch
from torch import nn


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(8, 16)
        self.shortcut = nn.Linear(8, 16)  # <- GS103
        self.head = nn.Linear(16, 3)

    def forward(self, x):
        return self.head(torch.relu(self.body(x)))


torch.manual_seed(0)
x, y = torch.randn(32, 8), torch.randint(0, 3, (32,))
model = Classifier()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(3):
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    print(f"{loss.item():.4f}")
