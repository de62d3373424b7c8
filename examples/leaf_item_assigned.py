"""One element of a leaf assigned: torch refuses.

    gradscope trace examples/leaf_item_assigned.py

Look for: the assignment. x[0] is a view of the leaf, so writing to it changes the leaf in place.
Set the element under torch.no_grad(), or build the input with torch.where.
"""

import torch

x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
x[0] = 5.0  # <- GS202
y = (x**2).sum()
y.backward()
