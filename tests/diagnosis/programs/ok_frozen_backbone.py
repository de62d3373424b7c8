import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)

backbone, head = nn.Sequential(nn.Linear(4, 8), nn.ReLU()), nn.Linear(8, 2)
for p in backbone.parameters():
    p.requires_grad_(False)
opt = torch.optim.SGD(head.parameters(), lr=0.1)
for _ in range(3):
    loss = F.cross_entropy(head(backbone(torch.randn(8, 4))), torch.randint(0, 2, (8,)))
    opt.zero_grad()
    loss.backward()
    opt.step()
