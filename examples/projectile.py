"""Physics: which launch velocity hits the target? The simulation itself is differentiated.

    gradscope trace examples/projectile.py

Look for: no module and no optimizer, and yet a graph of hundreds of nodes, one group for each time step.
"""

import torch

target = torch.tensor([8.0, 0.0])
velocity = torch.tensor([3.0, 6.0], requires_grad=True)
gravity, drag, dt = torch.tensor([0.0, -9.8]), 0.05, 0.05

for attempt in range(15):
    position, speed = torch.zeros(2), velocity
    for _ in range(25):
        speed = speed + dt * (gravity - drag * speed * speed.norm())
        position = position + dt * speed
    miss = (position - target).square().sum()
    velocity.grad = None
    miss.backward()
    with torch.no_grad():
        velocity -= 0.2 * velocity.grad
    print(f"attempt {attempt:2}   miss {miss.item():9.5f}")
