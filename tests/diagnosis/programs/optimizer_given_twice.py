"""Both optimizers were given the critic: its gradients being summed up is no finding of its own."""

import torch

torch.manual_seed(0)
generator, critic = torch.nn.Linear(2, 3), torch.nn.Linear(3, 1)
critic_step = torch.optim.SGD(critic.parameters(), lr=0.1)
generator_step = torch.optim.SGD(critic.parameters(), lr=0.1)  # expect: GS107
for step in range(4):
    critic.zero_grad()
    critic(torch.randn(4, 3)).mean().backward()
    fake = generator(torch.randn(4, 2))
    (-critic(fake.detach()).mean()).backward()
    critic_step.step()

    generator.zero_grad()
    (-critic(fake).mean()).backward()
    generator_step.step()
