import torch
from torch import nn

torch.manual_seed(0)


class LoRA(nn.Module):
    def __init__(self, base):
        super().__init__()
        self.base = base.requires_grad_(False)
        self.down = nn.Linear(base.in_features, 4, bias=False)
        self.up = nn.Linear(4, base.out_features, bias=False)
        nn.init.zeros_(self.up.weight)

    def forward(self, x):
        return self.base(x) + self.up(self.down(x))


model = LoRA(nn.Linear(64, 64)).half()
optimizer = torch.optim.SGD([*model.down.parameters(), *model.up.parameters()], lr=1.0)
for _ in range(4):
    x = torch.randn(16, 64).half()
    loss = (model(x).float() - x.float()).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
