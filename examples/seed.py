"""Backward from a vector: the seed says how much each element of y counts.

    gradscope trace examples/seed.py

Look for: the gradient in x is the seed times dy/dx = 2x. A seed of ones gives [2, 4, 6]; the seed
[1, 0, 0] asks about the first element alone and gives [2, 0, 0].
"""

import torch

x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
y = x**2
y.backward(gradient=torch.ones(3))
print(x.grad.tolist())

x.grad = None
y = x**2
y.backward(gradient=torch.tensor([1.0, 0.0, 0.0]))
print(x.grad.tolist())
