"""Q-learning with a target network: no gradient reaches the target, and that is meant.

    gradscope trace examples/dqn_target.py

Look for silence. The bootstrapped value is a constant for the loss; the target network is copied from
the online one now and then, never trained.
"""

import copy

import torch
from torch import nn

torch.manual_seed(0)
online = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 2))
target = copy.deepcopy(online)
optimizer = torch.optim.Adam(online.parameters(), lr=1e-2)

for step in range(6):
    state, following = torch.randn(32, 4), torch.randn(32, 4)
    action, reward = torch.randint(0, 2, (32, 1)), torch.randn(32, 1)
    with torch.no_grad():
        wanted = reward + 0.99 * target(following).max(dim=1, keepdim=True).values
    value = online(state).gather(1, action)
    loss = nn.functional.smooth_l1_loss(value, wanted)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 3 == 2:
        target.load_state_dict(online.state_dict())
    print(f"step {step}   loss {loss.item():.4f}")
