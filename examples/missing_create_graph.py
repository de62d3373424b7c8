"""A second derivative without create_graph: the first derivative is a plain number.

    gradscope trace examples/missing_create_graph.py

Look for: the first call, not the second where torch raises. Only with `create_graph=True` does the
first derivative know how it depends on x.
"""

import torch

x = torch.tensor(2.0, requires_grad=True)
y = x**3
(first,) = torch.autograd.grad(y, x)  # <- GS303
(second,) = torch.autograd.grad(first, x)
print(first.item(), second.item())
