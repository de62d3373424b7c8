import torch
from torch import nn

torch.manual_seed(0)


class Multi(nn.Module):
    def __init__(self):
        super().__init__()
        self.enc = nn.Linear(4, 4)
        self.heads = nn.ModuleDict({k: nn.Linear(4, 2) for k in ("a", "b", "c")})

    def forward(self, x, k):
        return self.heads[k](self.enc(x).relu())


net = Multi()
opt = torch.optim.SGD(net.parameters(), 0.1)
for k in ("a", "b", "a"):
    loss = nn.functional.cross_entropy(net(torch.randn(5, 4), k), torch.randint(0, 2, (5,)))
    opt.zero_grad()
    loss.backward()
    opt.step()
