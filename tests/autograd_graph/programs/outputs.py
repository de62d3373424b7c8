import torch

x = torch.ones(3, 4, requires_grad=True)
first, second = x.split(2, -1)
top, _ = x.max(0)
stacked = torch.stack(x.unbind(0))
loss = (first * second).sum() + top.sum() + stacked.sum()
loss.backward()
