import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, 8))
keep = (torch.arange(64) % 2).float().unsqueeze(1)
model[0].weight.register_hook(lambda gradient: gradient * keep)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(4):
    x, y = torch.randn(32, 16), torch.randint(0, 8, (32,))
    with torch.autocast("cpu", dtype=torch.float16):
        hidden = model[1](model[0](x))
        hidden.register_hook(lambda gradient: gradient * (gradient.abs() > 1e-3))
        scores = model[2](hidden)
    loss = nn.functional.cross_entropy(scores.float(), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
