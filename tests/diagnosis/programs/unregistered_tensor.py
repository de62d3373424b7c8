import torch
import torch.nn as nn

torch.manual_seed(0)


class Scale(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(4, 4)
        self.gain = torch.ones(4, requires_grad=True)  # expect: GS106

    def forward(self, x):
        return self.lin(x) * self.gain


net = Scale()
opt = torch.optim.SGD(net.parameters(), lr=0.1)
for _ in range(2):
    opt.zero_grad()
    net(torch.randn(4, 4)).pow(2).mean().backward()
    opt.step()
