import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(32, 128), nn.GELU(), nn.Linear(128, 64), nn.GELU(), nn.Linear(64, 10)).half()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(3):
    x, y = torch.randn(1024, 32).half(), torch.randint(0, 10, (1024,))
    logits = model(x)
    loss = 1e-4 * nn.functional.cross_entropy(logits.float(), y)  # expect: GS406
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
