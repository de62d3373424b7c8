import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(16, 4).half()
optimizer = torch.optim.SGD(model.parameters(), lr=1e-8)
for _ in range(2):
    x = torch.randn(8, 16).half()
    energy = model(x).float()  # expect: GS407
    loss = 1e6 * energy.pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
