import torch
import torch.nn as nn

torch.manual_seed(0)

net = nn.Linear(4, 3)
opt = torch.optim.Adam(net.parameters())
illegal = torch.tensor([False, False, True])
for _ in range(2):
    scores = net(torch.randn(6, 4))
    scores[:, illegal] = -float("inf")
    actions = torch.tensor([0, 1, 2, 0, 1, 0])
    chosen = scores.log_softmax(-1).gather(1, actions[:, None])  # expect: GS403
    loss = -chosen.mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
