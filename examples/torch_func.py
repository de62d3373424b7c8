"""torch.func: derivatives of functions instead of tensors.

    gradscope trace examples/torch_func.py

Look for: grad of the sum of cubes is [3, 12, 27], the Jacobian [[4, 1], [3, 2]]; vmap over grad gives one
gradient a sample. No .backward() is called, and no .grad is filled.
"""

import torch
from torch.func import functional_call, grad, jacrev, vmap


def cubes(x):
    return (x**3).sum()


def pair(x):
    return torch.stack([x[0] ** 2 + x[1], x[0] * x[1]])


print(grad(cubes)(torch.tensor([1.0, 2.0, 3.0])).tolist())
print(jacrev(pair)(torch.tensor([2.0, 3.0])).tolist())

torch.manual_seed(0)
model = torch.nn.Linear(3, 1)
weights = dict(model.named_parameters())
x, y = torch.randn(5, 3), torch.randn(5, 1)


def loss(weights, x, y):
    return (functional_call(model, weights, (x,)) - y).square().sum()


per_sample = vmap(grad(loss), in_dims=(None, 0, 0))(weights, x, y)
print({name: tuple(gradient.shape) for name, gradient in per_sample.items()})
