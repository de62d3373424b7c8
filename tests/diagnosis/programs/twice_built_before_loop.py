"""Mixing weights of a parameter, computed once: the second step runs into their graph."""

import torch
from torch import nn


class Mixture(nn.Module):
    def __init__(self):
        super().__init__()
        self.logits = nn.Parameter(torch.randn(5, 5))
        self.head = nn.Linear(5, 1)

    def weights(self):
        return self.logits.softmax(1)

    def forward(self, x, weights):
        return self.head(torch.tanh(x @ weights)).squeeze(1)


def train():
    torch.manual_seed(0)
    model = Mixture()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    weights = model.weights()  # expect: GS301
    for _ in range(3):
        x = torch.randn(7, 5)
        loss = (model(x, weights) - x.mean(1)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


train()
