import copy
import random

import torch
from torch import nn

torch.manual_seed(0)
random.seed(0)
q = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
tgt = copy.deepcopy(q)
opt = torch.optim.Adam(q.parameters(), 1e-2)
s = torch.randn(4)
for t in range(20):
    a = random.randrange(2) if random.random() < 0.2 else q(s).argmax().item()
    s2, r = torch.randn(4), float(a)
    with torch.no_grad():
        y = r + 0.9 * tgt(s2).max()
    loss = nn.functional.smooth_l1_loss(q(s)[a], y)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if t % 5 == 0:
        tgt.load_state_dict(q.state_dict())
    s = s2
