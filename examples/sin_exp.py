"""y = sin(exp(x**2)) at x = 0.5: three functions, one inside the other.

    gradscope trace examples/sin_exp.py

Look for: the local gradients cos(1.284) = 0.2829, exp(0.25) = 1.284 and 2x = 1. Their product is
dy/dx = 0.3632.
"""

import torch

x = torch.tensor(0.5, requires_grad=True)
a = x**2
b = torch.exp(a)
y = torch.sin(b)
y.backward()
print(f"{y.item():.4f} {x.grad.item():.7f}")
