import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)

w = torch.ones(2, requires_grad=True)
cosine = (w * w).sum() / w.norm() ** 2
angle = torch.acos(cosine.clamp(-1, 1))  # expect: GS402
(angle * 0.5).backward()
