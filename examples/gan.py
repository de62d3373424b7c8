"""A GAN: two networks, two losses, two optimizers.

    gradscope trace examples/gan.py

Look for silence. The discriminator's loss stops at the generated batch (detach), so that it does not
train the generator; the generator's loss runs through the discriminator, whose gradients from it are
thrown away by the next zero_grad.
"""

import torch
from torch import nn

torch.manual_seed(0)
generator = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
discriminator = nn.Sequential(nn.Linear(2, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1))
of_generator = torch.optim.Adam(generator.parameters(), lr=2e-3)
of_discriminator = torch.optim.Adam(discriminator.parameters(), lr=2e-3)
loss = nn.BCEWithLogitsLoss()
yes, no = torch.ones(64, 1), torch.zeros(64, 1)

for step in range(5):
    real = torch.randn(64, 2) * 0.5 + 2
    fake = generator(torch.randn(64, 4))

    of_discriminator.zero_grad()
    judged = loss(discriminator(real), yes) + loss(discriminator(fake.detach()), no)
    judged.backward()
    of_discriminator.step()

    of_generator.zero_grad()
    fooled = loss(discriminator(fake), yes)
    fooled.backward()
    of_generator.step()
    print(f"step {step}   discriminator {judged.item():.4f}   generator {fooled.item():.4f}")
