"""A mask drawn by NumPy inside the checkpoint."""

import numpy as np
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

torch.manual_seed(0)
np.random.seed(0)
layer, head = nn.Linear(8, 8), nn.Linear(8, 2)
optimizer = torch.optim.SGD([*layer.parameters(), *head.parameters()], lr=0.1)


def masked(x):
    mask = torch.from_numpy(np.random.rand(*x.shape).astype("float32"))  # expect: GS702
    return layer(x) * (mask > 0.4)


for _ in range(3):
    out = head(torch.relu(checkpoint(masked, torch.randn(6, 8), use_reentrant=False)))
    loss = nn.functional.cross_entropy(out, torch.randint(0, 2, (6,)))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
