"""detach() does not copy: the detached tensor is the same memory, and the same version counter.

    gradscope trace examples/detach_shares_memory.py

Look for: the line that clips "only the copy" of y. exp had saved y for its backward, so torch
notices and raises. `y.detach().clone()` is a copy.
"""

import torch

x = torch.tensor([1.0, 2.0], requires_grad=True)
y = torch.exp(x)
shown = y.detach()
shown.clamp_(max=5.0)  # <- GS201
y.sum().backward()
