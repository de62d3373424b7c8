import torch
import torch.nn as nn

torch.manual_seed(0)

net = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))
opt = torch.optim.AdamW(net.parameters(), lr=1e-2)
for _ in range(4):
    loss = net(torch.randn(4, 3)).pow(2).mean()
    loss.backward()  # expect: GS501
    opt.step()
