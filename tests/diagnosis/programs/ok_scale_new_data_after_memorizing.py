# Twenty samples learnt by heart, then new ones: gradients grow from next to nothing back to usual.
import torch
from torch import nn

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(10, 64), nn.ReLU(), nn.Linear(64, 5)).double()
optimizer = torch.optim.LBFGS(net.parameters(), max_iter=20)


def fit(steps, x, y):
    def closure():
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(net(x), y)
        loss.backward()
        return loss

    for _ in range(steps):
        optimizer.step(closure)


fit(30, torch.randn(20, 10).double(), torch.randn(20, 5).double())
fit(3, torch.randn(500, 10).double(), torch.randn(500, 5).double())
