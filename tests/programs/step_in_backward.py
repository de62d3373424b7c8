"""The optimizer's step inside backward: each parameter is updated as soon as its gradient is there."""

import fingerprint
import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 1))
optimizers = {parameter: torch.optim.SGD([parameter], lr=0.05) for parameter in model.parameters()}
printed = []


def update(parameter):
    printed.append(fingerprint.digest(parameter.grad))
    optimizers[parameter].step()
    optimizers[parameter].zero_grad()


for parameter in model.parameters():
    parameter.register_post_accumulate_grad_hook(update)
x = torch.randn(32, 8)
y = x.sum(dim=1, keepdim=True)
for step in range(3):
    loss = nn.functional.mse_loss(model(x), y)
    loss.backward()
    fingerprint.gradients(step, loss, model)
print(printed)
fingerprint.parameters(model)
