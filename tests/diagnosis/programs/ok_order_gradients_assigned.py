import torch
import torch.nn as nn

torch.manual_seed(0)

net = nn.Linear(3, 1)
opt = torch.optim.SGD(net.parameters(), lr=0.01)
for i in range(6):
    loss = net(torch.randn(4, 3)).pow(2).mean()
    grads = torch.autograd.grad(loss, list(net.parameters()))
    for p, g in zip(net.parameters(), grads):
        if p.grad is None or i % 2:
            p.grad = g
        else:
            p.grad.copy_(g)
    nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    opt.step()
