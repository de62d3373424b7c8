import numpy as np
import torch
import torch.nn as nn

torch.manual_seed(0)


class World:
    def __init__(self):
        self.age = 0
        self.state = np.zeros(3, dtype=np.float32)

    def step(self):
        self.age += 1
        self.state[:] = 0.9 * self.state + 0.1  # expect: GS203
        return self.state


world, policy = World(), nn.Linear(3, 2)
for _ in range(2):
    state, logs = world.state, []
    for _ in range(3):
        logs.append(policy(torch.from_numpy(state)).log_softmax(-1)[0])
        state = world.step()
    torch.stack(logs).sum().backward()
    policy.zero_grad()
