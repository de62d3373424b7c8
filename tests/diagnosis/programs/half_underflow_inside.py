import torch
from torch import nn

torch.manual_seed(0)


class Damped(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(16, 64)
        self.outer = nn.Linear(64, 16)

    def forward(self, x):
        hidden = torch.tanh(self.inner(x))
        return self.outer(x.new_tensor(1e-6, dtype=torch.float16) * hidden) + x  # expect: GS406


model = Damped()
optimizer = torch.optim.Adam(model.parameters())
for _ in range(4):
    x = torch.randn(64, 16)
    with torch.autocast("cpu", dtype=torch.float16):
        y = model(x)
    loss = (y.float() - x.sin()).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
