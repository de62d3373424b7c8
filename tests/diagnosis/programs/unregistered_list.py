import torch
import torch.nn as nn

torch.manual_seed(0)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.layers = [nn.Linear(4, 4) for _ in range(3)]  # expect: GS106

    def forward(self, x):
        x = self.first(x)
        for layer in self.layers:
            x = layer(x).tanh()
        return x


net = Net()
opt = torch.optim.SGD(net.parameters(), lr=0.1)
for _ in range(2):
    opt.zero_grad()
    net(torch.randn(4, 4)).mean().backward()
    opt.step()
