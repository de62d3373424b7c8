"""Gradient reversal, clipping, masking, averaging and logging by hooks: all of it meant."""

import torch
from torch import nn

torch.manual_seed(0)
trunk, task, domain = nn.Linear(4, 8), nn.Linear(8, 1), nn.Linear(8, 1)
table = nn.Embedding(6, 4)
frozen_rows = torch.ones(6, 1)
frozen_rows[:2] = 0
norms = []


def halve(parameter):
    parameter.grad.mul_(0.5)


table.weight.register_hook(lambda gradient: gradient * frozen_rows)
task.weight.register_hook(lambda gradient: gradient.clamp(-0.01, 0.01))
for parameter in trunk.parameters():
    parameter.register_post_accumulate_grad_hook(halve)
task.register_full_backward_hook(lambda module, given, got: norms.append(got[0].norm().item()))
torch.autograd.graph.register_multi_grad_hook(tuple(trunk.parameters()), lambda gradients: None)
parameters = [p for m in (trunk, task, domain, table) for p in m.parameters()]
optimizer = torch.optim.SGD(parameters, lr=0.1)
for _ in range(5):
    hidden = torch.tanh(trunk(table(torch.randint(0, 6, (16,)))))
    reversed_ = hidden * 1.0
    reversed_.register_hook(lambda gradient: -gradient)
    loss = task(hidden).pow(2).mean() + domain(reversed_).sigmoid().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
