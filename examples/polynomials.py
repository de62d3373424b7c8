"""Three polynomials, each with its own graph and its own table.

    gradscope trace examples/polynomials.py

Look for: x**2 + 5x at 3 gives 11, 2x**2 + 1 at 2 gives 8, 3x**2 + 5 at 4 gives 24. The constants
1 and 5 are not tracked: no gradient flows to them.
"""

import torch

x = torch.tensor(3.0, requires_grad=True)
y = x**2 + 5 * x
y.backward()
print(y.item(), x.grad.item())

s = torch.tensor(2.0, requires_grad=True)
t = 2 * s**2 + 1
t.backward()
print(t.item(), s.grad.item())

p = torch.tensor(4.0, requires_grad=True)
q = 3 * p**2 + 5
q.backward()
print(q.item(), p.grad.item())
