import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 1))
optimizer = torch.optim.Adam(model.parameters())
for _ in range(3):
    x, price = torch.randn(256, 8), 500 + 50 * torch.randn(256, 1)
    with torch.autocast("cpu", dtype=torch.float16):
        estimate = model(x)  # expect: GS407
    loss = (estimate.float() - price).pow(2).sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
