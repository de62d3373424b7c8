"""A second backward that is no error: x + 2 saves nothing, so there was nothing to free.

    gradscope trace examples/backward_twice_saved_nothing.py

Look for silence: "backward can only be called once" holds for graphs that saved something. The two
gradients add up: 1, then 2.
"""

import torch

x = torch.tensor(2.0, requires_grad=True)
y = x + 2
y.backward()
print(x.grad.item())
y.backward()
print(x.grad.item())
