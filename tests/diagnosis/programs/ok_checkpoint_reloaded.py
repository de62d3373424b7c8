import io

import torch
from torch import nn

torch.manual_seed(0)
net = nn.Linear(4, 1)
opt = torch.optim.Adam(net.parameters(), 0.1)
for i in range(4):
    loss = net(torch.randn(3, 4)).pow(2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    b = io.BytesIO()
    torch.save({"net": net.state_dict(), "opt": opt.state_dict(), "loss": loss.detach()}, b)
    b.seek(0)
    state = torch.load(b)
    net.load_state_dict(state["net"])
    opt.load_state_dict(state["opt"])
