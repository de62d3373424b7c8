import torch
import torch.nn as nn

torch.manual_seed(0)

body, head = nn.Linear(4, 8), nn.Linear(8, 1)
fast, slow = torch.optim.SGD(body.parameters(), lr=0.01), torch.optim.SGD(head.parameters(), lr=0.01)
for i in range(8):
    fast.zero_grad()
    head(body(torch.randn(4, 4)).relu()).pow(2).mean().backward()
    fast.step()
    if i % 4 == 3:
        slow.step()
        slow.zero_grad()
