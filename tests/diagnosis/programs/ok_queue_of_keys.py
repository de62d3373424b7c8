import torch
from torch import nn

torch.manual_seed(0)


class MoCo(nn.Module):
    def __init__(self):
        super().__init__()
        self.q, self.k = nn.Linear(6, 4), nn.Linear(6, 4)
        for a, b in zip(self.q.parameters(), self.k.parameters()):
            b.data.copy_(a.data)
            b.requires_grad = False
        self.register_buffer("queue", nn.functional.normalize(torch.randn(4, 16), dim=0))
        self.ptr = 0

    @torch.no_grad()
    def momentum(self):
        for a, b in zip(self.q.parameters(), self.k.parameters()):
            b.data = b.data * 0.99 + a.data * 0.01

    def forward(self, x, y):
        q = nn.functional.normalize(self.q(x), dim=1)
        with torch.no_grad():
            self.momentum()
            k = nn.functional.normalize(self.k(y), dim=1)
        logits = torch.cat([(q * k).sum(1, keepdim=True), q @ self.queue.clone().detach()], 1)
        self.queue[:, self.ptr : self.ptr + 4] = k.T
        self.ptr = (self.ptr + 4) % 16
        return nn.functional.cross_entropy(logits / 0.07, torch.zeros(4, dtype=torch.long))


net = MoCo()
opt = torch.optim.SGD(net.parameters(), 0.1)
for i in range(5):
    x = torch.randn(4, 6)
    loss = net(x, x + 0.1 * torch.randn(4, 6))
    opt.zero_grad()
    loss.backward()
    opt.step()
