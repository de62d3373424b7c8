"""A second backward through the same graph: x**3 had saved x and let it go.

    gradscope trace examples/backward_twice.py

Look for: the second call. The first one freed what the power had saved. Compute y again, or say
`retain_graph=True` in the first call.
"""

import torch

x = torch.tensor(2.0, requires_grad=True)
y = x**3
y.backward()
print(x.grad.item())
y.backward()  # <- GS301
