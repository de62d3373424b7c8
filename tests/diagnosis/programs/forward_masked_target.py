import torch
import torch.nn as nn

torch.manual_seed(0)

net = nn.Linear(4, 5)
opt = torch.optim.Adam(net.parameters())
for _ in range(2):
    taken = torch.zeros(6, 5, dtype=torch.bool)
    taken[:, 2] = True
    scores = net(torch.randn(6, 4)).masked_fill(taken, float("-inf"))
    target = torch.tensor([0, 1, 2, 3, 4, 0])
    loss = nn.functional.cross_entropy(scores, target)  # expect: GS403
    opt.zero_grad()
    loss.backward()
    opt.step()
