"""The generator steps with nothing: its own loss is cut, and what the critic's loss left was thrown away."""

import torch

torch.manual_seed(0)
generator, critic = torch.nn.Linear(2, 3), torch.nn.Linear(3, 1)
generator_step = torch.optim.SGD(generator.parameters(), lr=0.1)
critic_step = torch.optim.SGD(critic.parameters(), lr=0.1)
for step in range(4):
    noise = torch.randn(4, 2)
    critic_step.zero_grad()
    (critic(generator(noise)).mean() - critic(torch.randn(4, 3)).mean()).backward()
    critic_step.step()

    generator_step.zero_grad()
    fake = generator(noise)
    (-critic(fake.detach())).mean().backward()  # expect: GS102
    generator_step.step()
