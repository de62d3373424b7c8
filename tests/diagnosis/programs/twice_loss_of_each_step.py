"""One pass over a sequence, then a backward for every time step of it."""

import torch
from torch import nn


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.GRU(3, 5, batch_first=True)
        self.out = nn.Linear(5, 1)

    def forward(self, x):
        return self.out(self.rnn(x)[0]).squeeze(2)


torch.manual_seed(0)
model = Tagger()
optimizer = torch.optim.Adam(model.parameters())
for _ in range(2):
    optimizer.zero_grad()
    scores = model(torch.randn(4, 6, 3))
    for time in range(6):
        loss = (scores[:, time] - 1).square().mean()
        loss.backward()  # expect: GS301
    optimizer.step()
