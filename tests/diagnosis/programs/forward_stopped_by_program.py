"""The program looks at its loss itself, and stops where it is not finite."""

import torch

torch.manual_seed(0)
net = torch.nn.Linear(4, 1)
loss = torch.log(net(torch.randn(8, 4))).mean()  # expect: GS403
if not torch.isfinite(loss):
    raise ValueError("the loss is not finite")
loss.backward()
