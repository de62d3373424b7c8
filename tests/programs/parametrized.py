"""Parametrized weights: weight norm, spectral norm, orthogonal, and a parametrization of its own."""

import fingerprint
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize


class Symmetric(nn.Module):
    def forward(self, weight):
        return weight.triu() + weight.triu(1).mT


torch.manual_seed(0)
symmetric = nn.Linear(8, 8)
parametrize.register_parametrization(symmetric, "weight", Symmetric())
model = nn.Sequential(
    parametrizations.weight_norm(nn.Linear(4, 8)),
    nn.Tanh(),
    symmetric,
    nn.Tanh(),
    parametrizations.spectral_norm(nn.Linear(8, 8)),
    parametrizations.orthogonal(nn.Linear(8, 2)),
)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
x, y = torch.randn(16, 4), torch.randn(16, 2)
for step in range(3):
    optimizer.zero_grad()
    loss = nn.functional.mse_loss(model(x), y)
    loss.backward()
    fingerprint.gradients(step, loss, model)
    optimizer.step()
fingerprint.parameters(model)
