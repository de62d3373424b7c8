import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
with torch.no_grad():
    model[0].bias[3] = -100.0


def unit_rows(gradient):
    return gradient / gradient.norm(dim=1, keepdim=True)


model[0].weight.register_hook(unit_rows)  # expect: GS401
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
optimizer.zero_grad()
model(torch.randn(16, 4)).pow(2).mean().backward()
optimizer.step()
