import torch
import torch.nn as nn

torch.manual_seed(0)

net = nn.Linear(4, 2)
log_var = nn.Parameter(torch.zeros(2) + 0.3)
opt = torch.optim.SGD([*net.parameters(), log_var], lr=0.1)
for _ in range(3):
    out = net(torch.randn(8, 4))
    weights = [float(torch.exp(-v)) for v in log_var]  # expect: GS102
    loss = weights[0] * out[:, 0].pow(2).mean() + weights[1] * out[:, 1].pow(2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
