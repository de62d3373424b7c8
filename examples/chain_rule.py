"""The chain rule at work: c = (3x + 1)**2 at x = 2.

    gradscope trace examples/chain_rule.py

Look for the table: one row a node, from the result back to x. Each row's outgoing gradient is its
incoming gradient times its local one: 1 -> 14 -> 14 -> 42.
"""

import torch

x = torch.tensor(2.0, requires_grad=True)
a = x * 3
b = a + 1
c = b**2
c.backward()
print(c.item(), x.grad.item())
