import torch
from torch import nn

torch.manual_seed(0)

generator, discriminator = nn.Linear(2, 4), nn.Linear(4, 1)
noise = torch.ones(3, 2)
fooled = discriminator(generator(noise)).mean()
fooled.backward()
