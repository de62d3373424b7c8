import torch
import torch.nn as nn

torch.manual_seed(0)

net = nn.Linear(4, 1)
opt = torch.optim.SGD(net.parameters(), lr=1e-6)
scaler = torch.amp.GradScaler("cpu")
for _ in range(4):
    opt.zero_grad()
    loss = net(torch.randn(4, 4)).pow(2).mean()
    scaler.scale(loss).backward()
    opt.step()  # expect: GS503
