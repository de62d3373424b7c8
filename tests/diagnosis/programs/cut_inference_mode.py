import torch
import torch.nn as nn

torch.manual_seed(0)

net = nn.Linear(4, 4)
head = nn.Linear(4, 1)
opt = torch.optim.SGD([*net.parameters(), *head.parameters()], lr=0.1)
for _ in range(2):
    opt.zero_grad()
    with torch.inference_mode():  # expect: GS102
        h = net(torch.randn(8, 4))
    head(h.clone()).mean().backward()
    opt.step()
