import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(4, 2)
share = torch.tensor(0.0)


def average(parameter):
    parameter.grad.div_(share)


for parameter in model.parameters():
    parameter.register_post_accumulate_grad_hook(average)  # expect: GS402
model(torch.ones(3, 4)).sum().backward()
