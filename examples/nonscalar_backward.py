"""Backward from a vector without a seed: torch cannot guess one, and raises.

    gradscope trace examples/nonscalar_backward.py

Look for: the line, and the two ways out: reduce y to one number (`y.sum().backward()`), or say how
much each element counts (`y.backward(gradient=...)`).
"""

import torch

x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
y = x**2
y.backward()  # <- raises
print(x.grad)
