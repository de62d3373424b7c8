import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, 512))
optimizer = torch.optim.AdamW(model.parameters())
scaler = torch.amp.GradScaler("cpu", init_scale=1.0)
for _ in range(4):
    x = torch.randn(256, 16)
    with torch.autocast("cpu", dtype=torch.float16):
        y = model(x)
        loss = 0.01 * nn.functional.smooth_l1_loss(y, torch.randn(256, 512))  # expect: GS406
    optimizer.zero_grad()
    scaler.scale(loss).backward()
    scaler.step(optimizer)
    scaler.update()
