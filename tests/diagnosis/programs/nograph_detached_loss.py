import torch
import torch.nn as nn

torch.manual_seed(0)

net = nn.Linear(4, 3)
x = torch.randn(8, 4)


def penalty(out):
    return out.pow(2).detach().mean()  # expect: GS101


penalty(net(x)).backward()
