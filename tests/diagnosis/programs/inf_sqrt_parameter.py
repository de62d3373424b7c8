import torch
import torch.nn as nn

torch.manual_seed(0)

scale = nn.Parameter(torch.zeros(3))
loss = torch.sqrt(scale).sum() + 1  # expect: GS402
loss.backward()
