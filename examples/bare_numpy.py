""".numpy() of a tracked tensor: torch refuses, because NumPy could not carry the gradient on.

    gradscope trace examples/bare_numpy.py

Look for: the line, and what it means. To look at the values, `y.detach().numpy()`; to compute on
with a gradient, stay in torch.
"""

import torch

x = torch.tensor([1.0, 2.0], requires_grad=True)
y = x**2
y.sum().backward()
print(y.numpy())  # <- raises
