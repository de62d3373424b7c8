import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)

lin = nn.Linear(3, 3)
head = nn.Linear(3, 1)
loss = head(lin(torch.randn(2, 3))).mean()
head.weight.data = head.weight.data * 3  # expect: GS203
loss.backward()
