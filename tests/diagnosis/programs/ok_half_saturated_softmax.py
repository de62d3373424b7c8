import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(8, 64), nn.Tanh(), nn.Linear(64, 6))
with torch.no_grad():
    model[2].weight *= 20
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
for _ in range(5):
    x = torch.randn(64, 8)
    with torch.autocast("cpu", dtype=torch.float16):
        scores = model(x)
        y = (scores + 3 * torch.randn_like(scores)).argmax(-1)
        loss = nn.functional.cross_entropy(scores, y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
