"""x reaches y by two paths, and their gradients add up: y = 3x + x**2 at x = 2.

    gradscope trace examples/paths.py

Look for: the row of x. One path brings 3, the other 2x = 4; x.grad is their sum, 7.
"""

import torch

x = torch.tensor(2.0, requires_grad=True)
line = 3 * x
square = x**2
y = line + square
y.backward()
print(y.item(), x.grad.item())
