"""L-BFGS, whose step calls a closure several times."""

import fingerprint
import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1)).double()
optimizer = torch.optim.LBFGS(model.parameters(), lr=0.5, max_iter=5, line_search_fn="strong_wolfe")
x = torch.randn(32, 3, dtype=torch.float64)
y = torch.sin(x.sum(dim=1, keepdim=True))


def closure():
    optimizer.zero_grad()
    loss = nn.functional.mse_loss(model(x), y)
    loss.backward()
    return loss


for step in range(4):
    loss = optimizer.step(closure)
    fingerprint.gradients(step, loss, model)
fingerprint.parameters(model)
