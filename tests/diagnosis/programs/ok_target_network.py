import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)

import copy

q = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2))
target = copy.deepcopy(q)
opt = torch.optim.Adam(q.parameters())
for i in range(6):
    s, s2 = torch.randn(8, 3), torch.randn(8, 3)
    with torch.no_grad():
        boot = target(s2).max(1).values
    loss = F.mse_loss(q(s).gather(1, torch.zeros(8, 1, dtype=torch.long)).squeeze(1), boot)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if i % 2:
        target.load_state_dict(q.state_dict())
