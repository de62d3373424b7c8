"""zero_grad: None against zeros, and why it matters for a parameter that is not used.

    gradscope trace examples/set_to_none.py

Look for: with `set_to_none=False` the second gate keeps a gradient of zeros, and momentum goes on
moving it after its only use; with None (the default) the optimizer leaves it alone.
"""

import torch


def train(set_to_none):
    gates = [torch.tensor(1.0, requires_grad=True) for _ in range(2)]
    optimizer = torch.optim.SGD(gates, lr=0.1, momentum=0.9)
    for step in range(3):
        optimizer.zero_grad(set_to_none=set_to_none)
        loss = gates[0] ** 2
        if step == 0:
            loss = loss + gates[1] ** 2
        loss.backward()
        optimizer.step()
    return gates[1].item(), gates[1].grad


print("set_to_none=True ", train(True))
print("set_to_none=False", train(False))
