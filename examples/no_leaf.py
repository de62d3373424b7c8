"""Backward from something that never asked for a gradient.

    gradscope trace examples/no_leaf.py

Look for: no tensor in this loss requires a gradient. `torch.tensor(3.0, requires_grad=True)` asks.
"""

import torch

x = torch.tensor(3.0)
loss = (x - 1) ** 2
loss.backward()  # <- GS101
