import torch
import torch.nn as nn

torch.manual_seed(0)


def wipe(tensor):
    tensor.untyped_storage().fill_(0)  # expect: GS203


net = nn.Linear(4, 4)
for _ in range(2):
    x = torch.randn(5, 4)
    loss = net(x).sigmoid().pow(2).mean()
    wipe(x)
    net.zero_grad()
    loss.backward()
