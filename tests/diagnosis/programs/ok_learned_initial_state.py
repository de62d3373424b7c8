import torch
import torch.nn as nn

torch.manual_seed(0)


class RNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.h0 = nn.Parameter(torch.zeros(1, 5))
        self.cell = nn.GRUCell(3, 5)

    def forward(self, xs):
        h = self.h0.expand(xs.shape[1], -1)
        for x in xs:
            h = self.cell(x, h)
        return h


net = RNN()
opt = torch.optim.SGD(net.parameters(), lr=0.1)
for _ in range(3):
    loss = net(torch.randn(4, 2, 3)).pow(2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
