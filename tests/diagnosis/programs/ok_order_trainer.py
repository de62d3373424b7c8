import torch
import torch.nn as nn

torch.manual_seed(0)


class Trainer:
    def __init__(self, model, accumulate=2):
        self.model, self.accumulate = model, accumulate
        decay = [p for p in model.parameters() if p.dim() > 1]
        rest = [p for p in model.parameters() if p.dim() < 2]
        self.opt = torch.optim.AdamW([{"params": decay, "weight_decay": 0.1}, {"params": rest}], lr=1e-3)
        self.sched = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(self.opt, 3)
        self.count = 0

    def backward(self, loss):
        (loss / self.accumulate).backward()

    def training_step(self, x):
        self.model.train()
        loss = self.model(x).pow(2).mean()
        self.backward(loss)
        return loss.detach()

    def maybe_step(self):
        self.count += 1
        if self.count % self.accumulate:
            return
        for p in self.model.parameters():
            p.grad = p.grad.clamp(-1, 1)
        self.opt.step()
        self.sched.step()
        self.model.zero_grad()

    def fit(self, batches):
        for x in batches:
            self.training_step(x)
            self.maybe_step()


trainer = Trainer(nn.Sequential(nn.Linear(4, 8), nn.Dropout(), nn.Linear(8, 1)))
trainer.fit(torch.randn(9, 4, 4))
trainer.fit(torch.randn(5, 4, 4))
