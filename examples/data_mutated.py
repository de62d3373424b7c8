""".data has its own version counter: a change through it is not noticed, and the gradient is wrong.

    gradscope trace examples/data_mutated.py

Look for: the mutation. exp saved y, which was doubled behind its back: the gradient of exp at
[1, 2] is [2.72, 7.39], but [5.44, 14.78] comes out, without a word from torch.
"""

import torch

x = torch.tensor([1.0, 2.0], requires_grad=True)
y = torch.exp(x)
y.data.mul_(2)  # <- GS203
y.sum().backward()
print([round(g, 2) for g in x.grad.tolist()])
