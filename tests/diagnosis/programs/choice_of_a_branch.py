import torch
from torch import nn

torch.manual_seed(0)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.score = nn.Linear(4, 1)
        self.a = nn.Linear(4, 2)
        self.b = nn.Linear(4, 2)

    def pick(self, x):
        return self.score(x).mean().item()  # expect: GS102

    def forward(self, x):
        s = self.pick(x)
        if s > 0.0:
            return self.a(x)
        return self.b(x)


net = Net()
opt = torch.optim.SGD(net.parameters(), 0.1)
for i in range(6):
    loss = net(torch.randn(3, 4)).pow(2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
