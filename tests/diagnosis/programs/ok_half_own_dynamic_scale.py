import torch
from torch import nn

torch.manual_seed(0)
scale = 2.0**26
model = nn.Sequential(nn.Linear(16, 64), nn.GELU(), nn.Linear(64, 4))
optimizer = torch.optim.Adam(model.parameters())
for _ in range(12):
    x, y = torch.randn(64, 16), torch.randint(0, 4, (64,))
    with torch.autocast("cpu", dtype=torch.float16):
        loss = nn.functional.cross_entropy(model(x), y)
    optimizer.zero_grad()
    (scale * loss).backward()
    gradients = [parameter.grad for parameter in model.parameters()]
    if not all(bool(torch.isfinite(gradient).all()) for gradient in gradients):
        scale /= 4
        continue
    for gradient in gradients:
        gradient /= scale
    optimizer.step()
