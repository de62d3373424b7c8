"""The training loop, one phase a line: zero, forward, loss, backward, step.

    gradscope trace examples/training_loop.py

Look for the module tree: every parameter with the norm of its gradient, and no findings.
"""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
x = torch.randn(128, 10)
y = (x[:, 0] > 0).long()

for step in range(10):
    optimizer.zero_grad()  # forget the last step's gradients
    logits = model(x)  # forward: values flow, the graph is built
    loss = nn.functional.cross_entropy(logits, y)  # one number to make smaller
    loss.backward()  # backward: the chain rule, from the loss to every parameter
    optimizer.step()  # move each parameter against its gradient
    print(f"step {step}   loss {loss.item():.4f}")
