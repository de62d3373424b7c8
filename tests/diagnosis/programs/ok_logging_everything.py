import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)

net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
opt = torch.optim.SGD(net.parameters(), lr=0.1)
log = []
for _ in range(8):
    x, y = torch.randn(8, 4), torch.randint(0, 3, (8,))
    out = net(x)
    loss = F.cross_entropy(out, y)
    opt.zero_grad()
    loss.backward()
    opt.step()
    log.append(
        (
            loss.item(),
            loss.detach(),
            (out.argmax(1) == y).float().mean(),
            [p.grad.norm().item() for p in net.parameters()],
        )
    )
    if loss.item() > 100:
        print("high", out.detach().numpy().max())
