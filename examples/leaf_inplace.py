"""A leaf changed in place: torch refuses.

    gradscope trace examples/leaf_inplace.py

Look for: the op. A leaf is where the gradient arrives; if it were changed under the graph's feet,
"the gradient at x" would mean two different points. Update it under torch.no_grad(), or make a new tensor.
"""

import torch

x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
x += 1  # <- GS202
y = (x**2).sum()
y.backward()
