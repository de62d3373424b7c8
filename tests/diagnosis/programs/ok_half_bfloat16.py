import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(16, 64), nn.GELU(), nn.Linear(64, 512))
optimizer = torch.optim.AdamW(model.parameters())
for _ in range(4):
    x = torch.randn(256, 16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = model(x)
    loss = 1e-5 * (y.float() - 1).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
