# Float16 weights with float32 masters, and a loss scale that is chosen once.
import torch
from torch import nn

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(16, 64), nn.Tanh(), nn.Linear(64, 4)).half()
masters = [p.detach().float().requires_grad_() for p in net.parameters()]
optimizer = torch.optim.SGD(masters, lr=0.05)
scale = 1024.0
for _ in range(8):
    logits = net(torch.randn(32, 16).half()).float()
    loss = nn.functional.cross_entropy(logits, torch.randint(0, 4, (32,)))
    net.zero_grad()
    (loss * scale).backward()
    for master, parameter in zip(masters, net.parameters(), strict=True):
        master.grad = parameter.grad.float() / scale
    optimizer.step()
    with torch.no_grad():
        for master, parameter in zip(masters, net.parameters(), strict=True):
            parameter.copy_(master)
