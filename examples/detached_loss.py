"""Backward from a detached value: there is no graph left to walk.

    gradscope trace examples/detached_loss.py

Look for: the detach, not the backward where torch raises. z has y's value and none of its history.
"""

import torch

x = torch.tensor(3.0, requires_grad=True)
y = x**2
z = y.detach()  # <- GS101
(z * 2).backward()
