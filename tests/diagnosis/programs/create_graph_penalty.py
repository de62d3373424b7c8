import torch
import torch.nn as nn

torch.manual_seed(0)

critic = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
opt = torch.optim.Adam(critic.parameters())
for _ in range(2):
    x = torch.randn(8, 2, requires_grad=True)
    out = critic(x)
    grads = torch.autograd.grad(out.sum(), x, retain_graph=True)[0]  # expect: GS303
    penalty = (grads.norm(dim=1) - 1).pow(2).mean()
    loss = out.mean() + 10 * penalty
    opt.zero_grad()
    loss.backward()
    opt.step()
