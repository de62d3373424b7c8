import torch
from torch import nn

torch.manual_seed(0)
query, key = nn.Linear(64, 64), nn.Linear(64, 64)
optimizer = torch.optim.SGD([*query.parameters(), *key.parameters()], lr=1e-3)
for _ in range(2):
    x = 40 * torch.randn(2, 16, 64)
    with torch.autocast("cpu", dtype=torch.float16):
        scores = query(x) @ key(x).transpose(1, 2)  # expect: GS407
    loss = scores.float().pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
