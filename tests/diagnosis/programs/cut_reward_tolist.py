import torch
from torch import nn

torch.manual_seed(0)
policy, reward = nn.Linear(3, 2), nn.Linear(2, 1)
opt = torch.optim.Adam([*policy.parameters(), *reward.parameters()], 1e-2)
for i in range(3):
    s = torch.randn(5, 3)
    d = torch.distributions.Categorical(logits=policy(s))
    a = d.sample()
    r = reward(nn.functional.one_hot(a, 2).float()).squeeze(-1).tolist()  # expect: GS102
    loss = -(d.log_prob(a) * torch.tensor(r)).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
