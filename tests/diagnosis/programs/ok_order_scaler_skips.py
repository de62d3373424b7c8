import torch
import torch.nn as nn

torch.manual_seed(0)


class Scaler(torch.amp.GradScaler):
    """Skips the first two steps, as on an overflow."""

    skips = 2

    def _maybe_opt_step(self, optimizer, optimizer_state, *args, **kwargs):
        self.skips -= 1
        if self.skips >= 0:
            return None
        return super()._maybe_opt_step(optimizer, optimizer_state, *args, **kwargs)


net = nn.Linear(4, 1)
opt = torch.optim.SGD(net.parameters(), lr=0.01)
scaler = Scaler("cpu", init_scale=2.0**14)
sched = torch.optim.lr_scheduler.LambdaLR(opt, lambda step: 1 / (step + 1))
for _ in range(5):
    loss = net(torch.rand(4, 4)).pow(2).mean()
    opt.zero_grad()
    scaler.scale(loss).backward()
    scaler.step(opt)
    scaler.update()
    sched.step()
