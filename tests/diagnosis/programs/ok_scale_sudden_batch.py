# One batch a thousand times larger than the others, clipped as one should.
import torch
from torch import nn

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 1))
optimizer = torch.optim.Adam(net.parameters())
for step in range(16):
    x = torch.randn(16, 4) * (1000 if step == 9 else 1)
    optimizer.zero_grad()
    nn.functional.mse_loss(net(x), x[:, :1]).backward()
    nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    optimizer.step()
