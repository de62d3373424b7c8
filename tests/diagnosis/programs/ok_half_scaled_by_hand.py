import torch
from torch import nn

torch.manual_seed(0)
SCALE = 4096.0
model = nn.Sequential(nn.Linear(16, 64), nn.GELU(), nn.Linear(64, 64))
optimizer = torch.optim.Adam(model.parameters())
for _ in range(5):
    x = torch.randn(512, 16)
    with torch.autocast("cpu", dtype=torch.float16):
        y = model(x)
    loss = 0.01 * (y.float() - x.repeat(1, 4)).pow(2).mean()
    optimizer.zero_grad()
    (SCALE * loss).backward()
    for parameter in model.parameters():
        parameter.grad.div_(SCALE)
    optimizer.step()
