"""A loop whose length is known only when it runs: the graph has one node for each turn.

    gradscope trace examples/loop.py

Look for: `y = y * x` once for every turn, all on one line. After three turns y = x**4, so at x = 2
the gradient is 4 * 2**3 = 32.
"""

import torch

x = torch.tensor(2.0, requires_grad=True)
y = x
while y < 16:
    y = y * x
y.backward()
print(y.item(), x.grad.item())
