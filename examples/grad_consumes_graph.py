"""autograd.grad frees the graph too, although it writes no .grad.

    gradscope trace examples/grad_consumes_graph.py

Look for: the backward after it. `autograd.grad(y, x, retain_graph=True)` leaves the graph for others.
"""

import torch

x = torch.tensor(2.0, requires_grad=True)
y = x**3
(slope,) = torch.autograd.grad(y, x)
print(slope.item())
y.backward()  # <- GS301
