import torch
import torch.nn as nn
from torch.optim.lr_scheduler import LRScheduler

torch.manual_seed(0)


class Noam(LRScheduler):
    def get_lr(self):
        step = max(self.last_epoch, 1)
        return [base * min(step**-0.5, step * 4**-1.5) for base in self.base_lrs]

    def step(self, epoch=None):
        self.stepped = True
        super().step()


net = nn.Linear(3, 1)
opt = torch.optim.SGD(net.parameters(), lr=0.01)
sched = Noam(opt)
for _ in range(5):
    opt.zero_grad()
    net(torch.randn(4, 3)).pow(2).mean().backward()
    opt.step()
    sched.step()
