import torch
import torch.nn as nn

torch.manual_seed(0)

net = nn.Linear(3, 1)
opt = torch.optim.SGD(net.parameters(), lr=0.01)
shift = torch.zeros(3, requires_grad=True)
for _ in range(6):
    opt.zero_grad()
    net(torch.randn(8, 3) + shift).pow(2).mean().backward()  # expect: GS501
    opt.step()
    shift.data = shift.data - 0.1 * shift.grad.data
