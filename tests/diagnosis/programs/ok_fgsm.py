import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)

net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
opt = torch.optim.SGD(net.parameters(), lr=0.1)
for _ in range(3):
    x, y = torch.randn(8, 4), torch.randint(0, 3, (8,))
    x.requires_grad_(True)
    (g,) = torch.autograd.grad(F.cross_entropy(net(x), y), x)
    adversarial = (x + 0.1 * g.sign()).detach()
    loss = F.cross_entropy(net(adversarial), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
