import torch
import torch.nn as nn

torch.manual_seed(0)

net = nn.Linear(3, 1)
opt = torch.optim.SGD(net.parameters(), lr=0.01)
for _ in range(4):
    loss = net(torch.randn(4, 3)).pow(2).mean()
    grads = torch.autograd.grad(loss, list(net.parameters()))
    opt.step()  # expect: GS503
