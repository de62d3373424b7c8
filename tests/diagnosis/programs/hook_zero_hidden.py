import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.below, self.above = nn.Linear(4, 8), nn.Linear(8, 1)

    def forward(self, x):
        hidden = torch.tanh(self.below(x))
        if hidden.requires_grad:
            hidden.register_hook(self.weigh)  # expect: GS108
        return self.above(hidden)

    def weigh(self, gradient):
        return gradient * (gradient.abs() > 1e6)


torch.manual_seed(0)
model = Net()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(4):
    optimizer.zero_grad()
    model(torch.randn(16, 4)).pow(2).mean().backward()
    optimizer.step()
