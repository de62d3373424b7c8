import torch
import torch.nn as nn

torch.manual_seed(0)

net = nn.Linear(3, 1)
opt = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
sched = torch.optim.lr_scheduler.StepLR(opt, 1)
for _ in range(2):
    opt.zero_grad()
    for _ in range(3):
        loss = net(torch.randn(4, 3)).pow(2).mean()
        loss.backward()  # expect: GS501
        nn.utils.clip_grad_norm_(net.parameters(), 0.1)
        opt.step()
    sched.step()
