"""retain_grad keeps the gradient of an intermediate: b 14, a 14, x 42.

    gradscope trace examples/retain_grad.py

Look for: nothing is wrong here; compare with intermediate_grad.py, which forgot to ask.
"""

import torch

x = torch.tensor(2.0, requires_grad=True)
a = x * 3
a.retain_grad()
b = a + 1
b.retain_grad()
c = b**2
c.backward()
print(b.grad.item(), a.grad.item(), x.grad.item())
