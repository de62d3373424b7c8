""".item() to print and to count is fine: the number leaves, the graph stays.

    gradscope trace examples/item.py

Look for silence. What is printed or added up as a Python number takes no part in the loss.
"""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(8, 3)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x, y = torch.randn(64, 8), torch.randint(0, 3, (64,))

total, right = 0.0, 0
for step in range(5):
    logits = model(x)
    loss = nn.functional.cross_entropy(logits, y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    total += loss.item()
    right += (logits.argmax(dim=1) == y).sum().item()
    print(f"step {step}   loss {loss.item():.4f}")
print(f"mean {total / 5:.4f}   right {right} of {5 * 64}")
