"""A NaN that binary_cross_entropy refuses: the program dies before any backward."""

import torch
import torch.nn.functional as F

torch.manual_seed(0)
encoder, decoder = torch.nn.Linear(4, 3), torch.nn.Linear(3, 4)
x = torch.rand(8, 4)
std = torch.sqrt(encoder(x))  # expect: GS403
loss = F.binary_cross_entropy(torch.sigmoid(decoder(std)), x)
loss.backward()
