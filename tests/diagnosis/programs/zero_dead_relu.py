import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(4, 8)
        self.b = nn.Linear(8, 1)
        nn.init.constant_(self.a.bias, -100.0)

    def forward(self, x):
        return self.b(F.relu(self.a(x)))  # expect: GS108


net = Net()
opt = torch.optim.SGD(net.parameters(), lr=0.1)
for _ in range(4):
    opt.zero_grad()
    F.mse_loss(net(torch.randn(16, 4)), torch.ones(16, 1)).backward()
    opt.step()
