import torch
from torch import nn

torch.manual_seed(0)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.f, self.stop, self.o = nn.Linear(4, 4), nn.Linear(4, 1), nn.Linear(4, 1)

    def forward(self, x):
        p, outs = 1.0, []
        for _ in range(4):
            x = self.f(x).tanh()
            s = self.stop(x).sigmoid().mean()
            outs.append(p * s * self.o(x))
            p = p * (1 - s)
            if p < 0.05:
                break
        return sum(outs)


net = Net()
opt = torch.optim.SGD(net.parameters(), 0.1)
for i in range(3):
    loss = net(torch.randn(5, 4)).pow(2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
