import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(8, 1)
optimizer = torch.optim.Adam(model.parameters())
scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
for _ in range(40):
    x, y = torch.randn(128, 8), 1e3 * torch.rand(128, 1)
    with torch.autocast("cpu", dtype=torch.float16):
        output = model(x)  # expect: GS407
    loss = (output.float() - y).pow(2).sum()
    optimizer.zero_grad()
    scaler.scale(loss).backward()
    scaler.step(optimizer)
    scaler.update()
