import torch
from torch import nn

torch.manual_seed(0)
net = nn.Linear(4, 1)
optimizer = torch.optim.SGD(net.parameters(), lr=1e-4)
for step in range(30):
    x = torch.randn(64, 4)
    with torch.autocast("cpu", dtype=torch.float16):
        y = net(x)  # expect: GS407
    loss = (y.float() - 100.0 * 1.3**step).pow(2).sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
