"""A replay buffer that stores the scores with their graph; a sample of it is unpacked into `_`."""

import random

import torch
from torch import nn


class Buffer:
    def __init__(self):
        self.rows = []

    def store(self, *row):
        self.rows.append(row)  # expect: GS302

    def draw(self, number):
        return zip(*random.sample(self.rows, number), strict=True)


torch.manual_seed(0)
random.seed(0)
critic = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2))
buffer = Buffer()
optimizer = torch.optim.Adam(critic.parameters())
state = torch.randn(3)
for _ in range(12):
    scores = critic(state)
    buffer.store(state, int(scores.argmax()), scores, float(state.sum()))
    state = torch.randn(3)
    if len(buffer.rows) >= 4:
        states, actions, _, rewards = buffer.draw(4)
        chosen = critic(torch.stack(states)).gather(1, torch.tensor(actions)[:, None]).squeeze(1)
        loss = (chosen - torch.tensor(rewards)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
