"""A gradient that is infinite, not NaN: torch's own anomaly detection lets it pass.

    gradscope trace examples/inf_gradient.py

Look for: the square root at 0, whose derivative 1 / (2 * 0) is infinite. One step would make
the weight -inf, and NaN would appear only after that, far from here.
"""

import torch

weight = torch.tensor([0.0, 1.0, 4.0], requires_grad=True)
root = torch.sqrt(weight)  # <- GS402
loss = root.sum()
loss.backward()
print(weight.grad.tolist())
