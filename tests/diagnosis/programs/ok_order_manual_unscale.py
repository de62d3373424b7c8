import torch
import torch.nn as nn

torch.manual_seed(0)

net = nn.Linear(4, 1)
opt = torch.optim.SGD(net.parameters(), lr=0.01)
scaler = torch.amp.GradScaler("cpu", init_scale=4096.0)
for i in range(6):
    opt.zero_grad()
    scaler.scale(net(torch.randn(4, 4)).pow(2).mean()).backward()
    for p in net.parameters():
        if i % 2:
            p.grad.div_(scaler.get_scale())
        else:
            p.grad.data.div_(scaler.get_scale())
    nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    opt.step()
