"""Hooks that change gradients on purpose: a reversal layer by hook, a clamp, and a mask of frozen rows.

    gradscope trace examples/gradient_hooks.py

Look for: no finding, and the section "hooks that change gradients": which line registered each hook, on
what, and what it did. The text report is silent about the hook that only looks; the JSON report has it.
"""

import torch
from torch import nn

torch.manual_seed(0)
words = nn.Embedding(10, 8)
trunk, topic, author = nn.Linear(8, 16), nn.Linear(16, 3), nn.Linear(16, 4)
known = torch.ones(10, 1)
known[:4] = 0.0  # these words keep their vectors


def clamp(gradient):
    return gradient.clamp(-0.01, 0.01)


def log(module, grad_input, grad_output):
    print(f"  into topic {grad_output[0].norm():.4f}")


words.weight.register_hook(lambda gradient: gradient * known)
trunk.weight.register_hook(clamp)
topic.register_full_backward_hook(log)
optimizer = torch.optim.SGD([p for m in (words, trunk, topic, author) for p in m.parameters()], lr=0.5)
for step in range(3):
    hidden = torch.tanh(trunk(words(torch.randint(0, 10, (32,)))))
    against = hidden.clone()
    against.register_hook(lambda gradient: -gradient)
    loss = nn.functional.cross_entropy(topic(hidden), torch.randint(0, 3, (32,)))
    loss = loss + nn.functional.cross_entropy(author(against), torch.randint(0, 4, (32,)))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(f"step {step}   loss {loss.item():.4f}")
