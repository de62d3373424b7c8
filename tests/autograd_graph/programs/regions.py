import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

torch.manual_seed(0)


class Round(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.round()

    @staticmethod
    def backward(ctx, grad):
        return grad


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x):
        x = self.a(x)
        x = checkpoint(self.b, x, use_reentrant=False)
        x = checkpoint(self.c, x, use_reentrant=True)
        return Round.apply(x)


net = Net()
loss = net(torch.ones(3, 4)).sum()
loss.backward()
