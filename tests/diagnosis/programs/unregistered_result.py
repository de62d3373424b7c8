import torch
from torch import nn

torch.manual_seed(0)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.bias = nn.Parameter(torch.randn(3)) + 0.5  # expect: GS106
        self.fc = nn.Linear(3, 1)

    def forward(self, x):
        return self.fc(x + self.bias)


net = Net()
opt = torch.optim.SGD(net.parameters(), 0.1)
for i in range(3):
    loss = net(torch.randn(3, 3)).pow(2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
