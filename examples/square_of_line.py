"""y = (3x + 2)**2 at x = 1: the value is 25, the derivative 2 * 5 * 3 = 30.

    gradscope trace examples/square_of_line.py

Look for: the same three rules as in any table of derivatives (product, sum, power), one a row.
"""

import torch

x = torch.tensor(1.0, requires_grad=True)
u = 3 * x + 2
y = u**2
y.backward()
print(y.item(), x.grad.item())
