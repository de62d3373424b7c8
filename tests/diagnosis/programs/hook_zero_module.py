import torch
from torch import nn


def gate(module, grad_input, grad_output):
    return tuple(g.where(g > 1e6, 0.0) for g in grad_input)


torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
model[2].register_full_backward_hook(gate)  # expect: GS108
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(3):
    optimizer.zero_grad()
    model(torch.randn(16, 4)).pow(2).mean().backward()
    optimizer.step()
