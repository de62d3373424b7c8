"""Gradient descent by hand that works once: the update makes w a non-leaf.

    gradscope trace examples/leaf_reassigned_loop.py

Look for: the update line. It computes a new tensor and calls it w; from then on w.grad is None, and
the second turn fails. Update the leaf itself: `with torch.no_grad(): w -= 0.1 * w.grad`.
"""

import torch

x = torch.tensor([0.0, 1.0, 2.0, 3.0])
y = 2 * x
w = torch.tensor(0.5, requires_grad=True)
for step in range(3):
    loss = ((w * x - y) ** 2).mean()
    loss.backward()
    print(f"step {step}   loss {loss.item():.4f}")
    w = w - 0.1 * w.grad  # <- GS104
