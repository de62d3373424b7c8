import torch
import torch.nn as nn

torch.manual_seed(0)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.head = nn.Linear(4, 8), nn.Linear(8, 1)

    def forward(self, x):
        return self.head(self.body(x).relu())


net = Net()
opt = torch.optim.Adam(net.parameters())
for _ in range(4):
    net.head.zero_grad()
    net(torch.randn(4, 4)).pow(2).mean().backward()  # expect: GS501
    opt.step()
