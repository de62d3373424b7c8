"""The fake is detached for the critic, as meant, and for the generator too: only the second is a bug."""

import torch

torch.manual_seed(0)
generator, critic = torch.nn.Linear(2, 3), torch.nn.Linear(3, 1)
generator_step = torch.optim.SGD(generator.parameters(), lr=0.1)
critic_step = torch.optim.SGD(critic.parameters(), lr=0.1)
for step in range(4):
    fake = generator(torch.randn(4, 2))
    critic_step.zero_grad()
    (critic(fake.detach()).mean() - critic(torch.randn(4, 3)).mean()).backward()
    critic_step.step()

    generator_step.zero_grad()
    (-critic(fake.detach())).mean().backward()  # expect: GS102
    generator_step.step()
