"""In-place changes that are correct: torch keeps the graph right, and nothing is to be said.

    gradscope trace examples/inplace_correct.py

Look for silence. What matters is not whether a tensor is changed in place, but whether somebody
saved the old value: multiplication by a constant and indexing saved nothing.
"""

import torch

x = torch.tensor([1.0, 2.0], requires_grad=True)
y = x * 2
y.add_(1)
y.sum().backward()
print(x.grad.tolist())

x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
y = x * 2
z = y[0:2]
z.mul_(3)
y.sum().backward()
print(x.grad.tolist())

x = torch.tensor([1.0, 2.0], requires_grad=True)
y = x * 2
y[0] = 5.0
y.sum().backward()
print(x.grad.tolist())
