"""The name x moves on to a new tensor, and the leaf is lost.

    gradscope trace examples/leaf_reassigned.py

Look for: the line that rebinds x. After it x is the product, not the leaf, so x.grad is None. Give
the product its own name; `x = x + 1`, sometimes advised, rebinds it just the same.
"""

import torch

x = torch.tensor(3.0, requires_grad=True)
x = x * 2  # <- GS104
y = x**2
y.backward()
print(x.grad)
