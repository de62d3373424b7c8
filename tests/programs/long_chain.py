"""A graph ten thousand nodes deep: a long recurrence, differentiated in one go."""

import fingerprint
import torch

torch.manual_seed(0)
rate = torch.tensor(3e-4, requires_grad=True)
drift = torch.tensor(0.2, requires_grad=True)
for step in range(2):
    state = torch.linspace(0.1, 1.0, 4)
    for _ in range(3000):
        state = state + rate * (drift - state.sin())
    loss = state.square().mean()
    rate.grad = drift.grad = None
    loss.backward()
    fingerprint.gradients(step, loss, [("rate", rate), ("drift", drift)])
    with torch.no_grad():
        rate -= 1e-4 * rate.grad.sign()
        drift -= 0.1 * drift.grad
fingerprint.parameters([("rate", rate), ("drift", drift)])
