import torch
import torch.nn as nn

torch.manual_seed(0)

actor, critic = nn.Linear(3, 2), nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 1))
oa, oc = torch.optim.Adam(actor.parameters()), torch.optim.Adam(critic.parameters())
for _ in range(5):
    s, a, r = torch.randn(8, 3), torch.randn(8, 2), torch.randn(8, 1)
    loss = (critic(torch.cat([s, a], 1)) - r).pow(2).mean()
    oc.zero_grad()
    loss.backward()
    oc.step()
    policy_loss = -critic(torch.cat([s, actor(s).tanh()], 1)).mean()
    oa.zero_grad()
    policy_loss.backward()
    oa.step()
