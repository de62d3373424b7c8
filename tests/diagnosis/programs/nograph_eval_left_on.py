import torch
import torch.nn as nn

torch.manual_seed(0)

net = nn.Linear(4, 1)
opt = torch.optim.SGD(net.parameters(), lr=0.1)


def validate():
    torch.set_grad_enabled(False)  # expect: GS101
    return net(torch.randn(4, 4)).mean().item()


for epoch in range(2):
    opt.zero_grad()
    net(torch.randn(4, 4)).mean().backward()
    opt.step()
    validate()
