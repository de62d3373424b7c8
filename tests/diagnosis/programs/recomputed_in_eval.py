"""The model is switched to eval() between the forward and the backward."""

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU())
        self.head = nn.Linear(16, 1)

    def forward(self, x):
        return self.head(checkpoint(self.body, x, use_reentrant=False))  # expect: GS702


torch.manual_seed(0)
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
for _ in range(3):
    net.train()
    x, y = torch.randn(10, 8), torch.randn(10, 1)
    loss = nn.functional.mse_loss(net(x), y)
    net.eval()
    with torch.no_grad():
        held_out = nn.functional.mse_loss(net(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
