import torch
from torch import nn

torch.manual_seed(0)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.key = nn.Linear(4, 4)
        self.norm = nn.LayerNorm(4)
        self.out = nn.Sequential(nn.Linear(4, 4), nn.GELU(), nn.Linear(4, 4))

    def forward(self, x):
        return self.out(self.norm(self.key(x)))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = Block()
        self.last = Block()  # expect: GS103
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        h = self.first(x)
        return self.head(h), self.last(h)


net = Net()
opt = torch.optim.SGD(net.parameters(), lr=0.1)
for _ in range(2):
    opt.zero_grad()
    scores, _tokens = net(torch.randn(3, 4))
    scores.square().mean().backward()
    opt.step()
