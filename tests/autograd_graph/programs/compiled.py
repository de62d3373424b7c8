import torch
from torch import nn

torch.manual_seed(0)

lin = nn.Linear(4, 4)
net = torch.compile(lin, backend="aot_eager")
loss = net(torch.ones(2, 4)).sin().sum()
loss.backward()
