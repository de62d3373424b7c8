import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)

x = torch.ones(3, requires_grad=True)
x += 1  # expect: GS202
