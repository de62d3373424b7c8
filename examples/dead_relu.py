"""A layer whose ReLU never opens: every gradient below it is exactly zero.

    gradscope trace examples/dead_relu.py

Look for: the ReLU's line. A bias of -20 keeps all of its inputs below 0, where its derivative is 0.
"""

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(8, 16)
        self.second = nn.Linear(16, 1)
        nn.init.constant_(self.first.bias, -20.0)

    def forward(self, x):
        h = self.first(x)
        h = torch.relu(h)  # <- GS108
        return self.second(h)


torch.manual_seed(0)
x = torch.randn(32, 8)
y = x.sum(dim=1, keepdim=True)
model = Net()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(3):
    optimizer.zero_grad()
    loss = nn.functional.mse_loss(model(x), y)
    loss.backward()
    optimizer.step()
    print(f"{loss.item():.4f}")
