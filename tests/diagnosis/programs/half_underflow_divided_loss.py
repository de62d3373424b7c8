# A loss that is divided by the number of micro-batches and by their size once more.
import torch
from torch import nn

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(32, 128), nn.GELU(), nn.Linear(128, 100))
optimizer = torch.optim.AdamW(net.parameters())
for step in range(16):
    with torch.autocast("cpu", dtype=torch.float16):
        out = net(torch.randn(128, 32))
    loss = nn.functional.mse_loss(out.float(), torch.randn(128, 100)) / 64 / 100  # expect: GS406
    loss.backward()
    if step % 8 == 7:
        optimizer.step()
        optimizer.zero_grad()
