"""Only leaves keep their gradient: .grad of an intermediate is None.

    gradscope trace examples/intermediate_grad.py

Look for: the line that reads b.grad. The gradient of b did exist (14); backward used it and let it
go. `b.retain_grad()` before backward, or `torch.autograd.grad(c, b)`, keeps it.
"""

import torch

x = torch.tensor(2.0, requires_grad=True)
b = x * 3 + 1
c = b**2
c.backward()
print(b.grad)  # <- GS105
