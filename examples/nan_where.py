"""torch.where hides a NaN from the value, not from the gradient.

    gradscope trace examples/nan_where.py

Look for: the logarithm inside the branch that was not taken. Its gradient there is 0 / 0. Make the
argument safe before the log: `torch.log(torch.where(x > 0, x, 1.0))`.
"""

import torch

x = torch.tensor([0.0, 1.0, 2.0], requires_grad=True)
y = torch.where(x > 0, x * torch.log(x), 0.0)  # <- GS401
y.sum().backward()
print(y.tolist(), x.grad.tolist())
