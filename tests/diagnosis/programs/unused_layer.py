import torch
import torch.nn as nn

torch.manual_seed(0)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(4, 4)
        self.b = nn.Linear(4, 4)  # expect: GS103
        self.scale = nn.Parameter(torch.ones(1))  # expect: GS103

    def forward(self, x):
        return self.a(x).relu()


net = Net()
opt = torch.optim.SGD(net.parameters(), lr=0.1)
for _ in range(2):
    opt.zero_grad()
    net(torch.randn(4, 4)).mean().backward()
    opt.step()
