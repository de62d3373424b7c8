import torch
from torch import nn

torch.manual_seed(0)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.soft, self.hard = nn.Linear(4, 2), nn.Linear(4, 2)
        self.e = nn.ModuleList(nn.Linear(4, 4) for _ in range(2))
        self.o = nn.Linear(4, 1)

    def route(self, x):
        return int(torch.argmax(self.hard(x)))  # expect: GS102

    def forward(self, x):
        y = []
        for row in x:
            w = self.soft(row).softmax(-1)
            y.append(w[0] * self.e[self.route(row)](row) + w[1] * row)
        return self.o(torch.stack(y))


net = Net()
opt = torch.optim.SGD(net.parameters(), 0.1)
for i in range(3):
    loss = net(torch.randn(9, 4)).pow(2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
