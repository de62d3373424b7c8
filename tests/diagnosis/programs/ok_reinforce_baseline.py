import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)

policy, value = nn.Linear(4, 2), nn.Linear(4, 1)
opt = torch.optim.Adam([*policy.parameters(), *value.parameters()])
for _ in range(3):
    s = torch.randn(10, 4)
    dist = torch.distributions.Categorical(logits=policy(s))
    a = dist.sample()
    reward = torch.tensor([float(i) for i in a.tolist()])
    v = value(s).squeeze(1)
    advantage = (reward - v).detach()
    loss = -(dist.log_prob(a) * advantage).mean() + F.mse_loss(v, reward)
    opt.zero_grad()
    loss.backward()
    opt.step()
