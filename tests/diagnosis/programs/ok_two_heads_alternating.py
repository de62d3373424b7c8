import torch
import torch.nn as nn

torch.manual_seed(0)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.a, self.b = nn.Linear(4, 8), nn.Linear(8, 1), nn.Linear(8, 1)

    def forward(self, x, task):
        h = self.body(x).relu()
        return self.a(h) if task == "a" else self.b(h)


net = Net()
opt = torch.optim.SGD(net.parameters(), lr=0.1)
for i in range(6):
    loss = net(torch.randn(4, 4), "ab"[i % 2]).pow(2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
