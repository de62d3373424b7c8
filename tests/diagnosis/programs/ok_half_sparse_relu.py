import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(16, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 3)).half()
with torch.no_grad():
    model[0].bias -= 1.0
    model[2].bias -= 0.3
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
for _ in range(5):
    x, y = torch.randn(32, 16).half(), torch.randint(0, 3, (32,))
    loss = nn.functional.cross_entropy(model(x).float(), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
