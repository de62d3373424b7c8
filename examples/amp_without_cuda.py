"""Mixed precision asked for on a machine without CUDA: torch warns and runs in float32.

    gradscope trace examples/amp_without_cuda.py

Look for the note: neither the autocast nor the loss scale had any effect here. On a machine with CUDA the same
program runs in float16, and the note is gone.
"""

import torch
from torch import nn

torch.manual_seed(0)
device = "cuda" if torch.cuda.is_available() else "cpu"
model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 1)).to(device)
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
scaler = torch.amp.GradScaler("cuda")
x = torch.randn(64, 8, device=device)
y = x.sum(dim=1, keepdim=True)

for step in range(3):
    with torch.autocast("cuda", dtype=torch.float16):
        h = model(x)
        loss = nn.functional.mse_loss(h, y)
    optimizer.zero_grad()
    scaler.scale(loss).backward()
    scaler.step(optimizer)
    scaler.update()
    print(f"step {step}   {h.dtype}   scale {scaler.get_scale():.0f}")
