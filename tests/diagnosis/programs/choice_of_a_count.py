import torch
from torch import nn

torch.manual_seed(0)


class Steps(nn.Module):
    def __init__(self):
        super().__init__()
        self.many, self.f, self.out = nn.Linear(4, 1), nn.Linear(4, 4), nn.Linear(4, 1)

    def forward(self, x):
        n = int(self.many(x).sigmoid().mean() * 4) + 1  # expect: GS102
        for _ in range(n):
            x = torch.tanh(self.f(x))
        return self.out(x)


net = Steps()
opt = torch.optim.SGD(net.parameters(), 0.1)
for i in range(3):
    loss = net(torch.randn(5, 4)).pow(2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
