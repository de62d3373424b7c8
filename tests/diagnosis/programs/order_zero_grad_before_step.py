import torch
import torch.nn as nn

torch.manual_seed(0)

net = nn.Linear(3, 1)
opt = torch.optim.Adam(net.parameters())
for _ in range(4):
    loss = net(torch.randn(4, 3)).pow(2).mean()
    loss.backward()
    opt.zero_grad(set_to_none=False)
    opt.step()  # expect: GS503
