import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.f = nn.Linear(4, 4)

    def forward(self, x):
        y = torch.tanh(self.f(x))
        y.mul_(2)  # expect: GS201
        return y


torch.manual_seed(0)
net = Net()
opt = torch.optim.SGD(net.parameters(), lr=0.1)
failed = 0
for it in range(4):
    loss = (net(torch.randn(3, 4)) - 1).pow(2).mean()
    opt.zero_grad()
    try:
        loss.backward()
    except RuntimeError:
        failed += 1
        continue
    opt.step()
print(failed)
