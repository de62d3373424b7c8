"""A stop-gradient that is meant: one branch is the target of the other.

    gradscope trace examples/detach.py

Look for silence. Both branches share the encoder, and each learns to predict what the other saw; the
detach keeps the target from running towards the prediction. The encoder learns by the other branch.
"""

import torch
from torch import nn

torch.manual_seed(0)
encoder = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 8))
predictor = nn.Linear(8, 8)
optimizer = torch.optim.SGD([*encoder.parameters(), *predictor.parameters()], lr=0.05)
x = torch.randn(64, 8)

for step in range(4):
    first = encoder(x + 0.1 * torch.randn_like(x))
    second = encoder(x + 0.1 * torch.randn_like(x))
    loss = -nn.functional.cosine_similarity(predictor(first), second.detach()).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(f"step {step}   loss {loss.item():.4f}")
