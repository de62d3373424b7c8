"""autograd.grad returns the gradient and leaves .grad alone: 8, 8, None.

    gradscope trace examples/autograd_grad.py

Look for: nothing is wrong here. The first call keeps the graph (`retain_graph=True`), so that a
second call may use it; x.grad stays None throughout.
"""

import torch

x = torch.tensor(2.0, requires_grad=True)
y = 2 * x**2
(first,) = torch.autograd.grad(y, x, retain_graph=True)
(second,) = torch.autograd.grad(y, x)
print(first.item(), second.item(), x.grad)
