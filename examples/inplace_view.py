"""An in-place change of one of several views made by one op: torch refuses.

    gradscope trace examples/inplace_view.py

Look for: the change, and the line where the views were made. unbind gives all rows at once, and its
graph cannot be rewritten for one of them; rows indexed one by one (h[i]) can be changed.
"""

import torch

torch.manual_seed(0)
x = torch.randn(3, 4, requires_grad=True)
h = x * 2
rows = h.unbind(0)
for row in rows:
    row.mul_(0.1)  # <- GS204
loss = h.square().sum()
loss.backward()
