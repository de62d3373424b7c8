"""Two losses over one graph: 12, then 16.

    gradscope trace examples/retain_graph.py

Look for: nothing is wrong here. The first backward keeps the graph for the second, which adds its
own 4 to the 12 that x.grad already holds.
"""

import torch

x = torch.tensor(2.0, requires_grad=True)
y = x**2
first = 3 * y
second = y + 1
first.backward(retain_graph=True)
print(x.grad.item())
second.backward()
print(x.grad.item())
