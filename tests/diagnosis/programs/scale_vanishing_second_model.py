# Two models trained by one line: the first is healthy.
import torch
from torch import nn


def run(activation):
    body = [
        part
        for _ in range(14)
        for part in (nn.Linear(24, 24), nn.LayerNorm(24) if activation is None else activation)
    ]
    model = nn.Sequential(*body, nn.Linear(24, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for _ in range(5):
        optimizer.zero_grad()
        out = model(torch.randn(16, 24))  # expect: GS404
        out.pow(2).mean().backward()
        optimizer.step()


torch.manual_seed(0)
run(None)
run(nn.Sigmoid())
