"""A loop that forgets zero_grad: each step follows the sum of all gradients so far.

    gradscope trace examples/forgotten_zero_grad.py

Look for: the gradient norm grows from step to step although the loss stays finite. Nothing crashes;
the steps are simply not those of gradient descent.
"""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(8, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
x = torch.randn(64, 8)
y = x.sum(dim=1, keepdim=True)

for step in range(8):
    loss = nn.functional.mse_loss(model(x), y)
    loss.backward()  # <- GS501
    optimizer.step()
    print(f"step {step}   loss {loss.item():.4f}   norm {model.weight.grad.norm().item():.3f}")
