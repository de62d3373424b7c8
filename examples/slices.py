"""Only what was used gets a gradient: a slice of a matrix.

    gradscope trace examples/slices.py

Look for: x.grad is [[2, 2], [0, 0]]. The second row took no part in y; its gradient is exactly 0,
not missing, because x is one tensor.
"""

import torch

x = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
top = x[0]
y = (top * 2).sum()
y.backward()
print(x.grad.tolist())
