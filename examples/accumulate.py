"""Backward adds to .grad, it does not replace it: 6, 12, 18.

    gradscope trace examples/accumulate.py

Look for: the table says 6 for every backward of x**2 at 3; what stands in x.grad is their sum.
Setting it to None starts afresh.
"""

import torch

x = torch.tensor(3.0, requires_grad=True)
for _ in range(3):
    y = x**2
    y.backward()
    print(x.grad.item())

x.grad = None
y = x**2
y.backward()
print(x.grad.item())
