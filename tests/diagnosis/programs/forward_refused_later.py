"""A NaN in a later step, when no op is watched any more: the distribution refuses it."""

import torch
from torch.distributions import Categorical

torch.manual_seed(0)
policy = torch.nn.Linear(4, 2)
optimizer = torch.optim.SGD(policy.parameters(), lr=0.1)
for step in range(5):
    scores = policy(torch.randn(8, 4))
    if step == 3:
        scores = torch.log(scores)  # expect: GS403
    probs = torch.softmax(scores, dim=-1)
    chosen = Categorical(probs)
    optimizer.zero_grad()
    (-chosen.log_prob(chosen.sample())).mean().backward()
    optimizer.step()
