"""A second derivative: x**3 at 2 has the first derivative 12 and the second 12.

    gradscope trace examples/create_graph.py

Look for two backwards: with `create_graph=True` the first one builds a graph of its own, and the
second walks it.
"""

import torch

x = torch.tensor(2.0, requires_grad=True)
y = x**3
(first,) = torch.autograd.grad(y, x, create_graph=True)
(second,) = torch.autograd.grad(first, x)
print(first.item(), second.item())
