import torch
from torch import nn

torch.manual_seed(0)


class Attention(nn.Module):
    def __init__(self, fill):
        super().__init__()
        self.qkv = nn.Linear(32, 96)
        self.out = nn.Linear(32, 32)
        self.fill = fill

    def forward(self, x):
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        scores = q @ k.transpose(-2, -1) / 32**0.5
        future = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(1)
        return self.out(scores.masked_fill(future, self.fill).softmax(-1) @ v)


model = nn.Sequential(Attention(float("-inf")), nn.LayerNorm(32), Attention(-65504.0)).half()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(4):
    x = torch.randn(4, 12, 32).half()
    loss = (model(x).float() - x.float().roll(1, 1)).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
