"""A probabilistic model: two normal distributions fitted by their likelihood, without a module.

    gradscope trace examples/mixture.py

Look for: gradients of the means, the log-scales and the mixing weights, all from one number: the mean negative
log-likelihood.
"""

import torch
from torch.distributions import Categorical, MixtureSameFamily, Normal

torch.manual_seed(0)
data = torch.cat([torch.randn(150) * 0.5 - 2, torch.randn(50) + 1.5])
means = torch.tensor([-1.0, 1.0], requires_grad=True)
log_scales = torch.zeros(2, requires_grad=True)
logits = torch.zeros(2, requires_grad=True)
optimizer = torch.optim.Adam([means, log_scales, logits], lr=0.1)

for turn in range(20):
    model = MixtureSameFamily(Categorical(logits=logits), Normal(means, log_scales.exp()))
    loss = -model.log_prob(data).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(f"{loss.item():.4f}", [round(v, 1) for v in means.tolist()])
