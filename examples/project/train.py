"""A project with a configuration and a baseline: two known findings and nothing new.

    gradscope trace examples/project/train.py
"""

import torch
from model import Classifier
from torch.nn import functional as F

torch.manual_seed(0)
model = Classifier()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
total = 0
for step in range(20):
    optimizer.zero_grad()
    loss = F.cross_entropy(model(torch.randn(32, 8)), torch.randint(0, 3, (32,)))
    loss.backward()
    optimizer.step()
    total = total + loss
print(f"mean loss {total.item() / 20:.3f}")
