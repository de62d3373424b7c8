import warnings

import torch
import torch.nn as nn

torch.manual_seed(0)

net = nn.Linear(3, 1)
opt = torch.optim.SGD(net.parameters(), lr=0.01)
warm = torch.optim.lr_scheduler.LinearLR(opt, 0.1, total_iters=2)
cosine = torch.optim.lr_scheduler.CosineAnnealingLR(opt, 8)
both = torch.optim.lr_scheduler.SequentialLR(opt, [warm, cosine], milestones=[2])
plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(opt)
resumed = torch.optim.lr_scheduler.StepLR(torch.optim.SGD(net.parameters(), lr=0.01), 1)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    for _ in range(3):
        resumed.step()
plateau.step(1.0)
opt.zero_grad()
opt.step()
for _ in range(6):
    loss = net(torch.randn(4, 3)).pow(2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    both.step()
    resumed.optimizer.step()
    resumed.step()
    plateau.step(loss.item())
