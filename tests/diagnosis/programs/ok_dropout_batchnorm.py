import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)

net = nn.Sequential(
    nn.Linear(4, 8, bias=True), nn.BatchNorm1d(8), nn.ReLU(inplace=True), nn.Dropout(0.2), nn.Linear(8, 2)
)
opt = torch.optim.AdamW(net.parameters(), lr=0.01)
for _ in range(4):
    loss = F.cross_entropy(net(torch.randn(16, 4)), torch.randint(0, 2, (16,)))
    opt.zero_grad()
    loss.backward()
    opt.step()
