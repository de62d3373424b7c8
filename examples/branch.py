"""A program that branches on its input: each run builds its own graph, and both are right.

    gradscope trace examples/branch.py

Look for two tables: x = 2 took the square (gradient 2x = 4), x = -1 took the line (gradient -3).
The `if` itself is in neither graph: it chose the graph.
"""

import torch


def f(x):
    if x > 0:
        return x**2
    return -3 * x


for start in (2.0, -1.0):
    x = torch.tensor(start, requires_grad=True)
    y = f(x)
    y.backward()
    print(y.item(), x.grad.item())
