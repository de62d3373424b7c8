import torch

torch.manual_seed(0)

import numpy as np

state = np.ones(3, dtype=np.float32)
w = torch.randn(3, requires_grad=True)
total = 0
for _ in range(2):
    x = torch.from_numpy(state)
    total = total + (w * x).sum()
    state += 1  # expect: GS203
total.backward()
