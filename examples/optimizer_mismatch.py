"""Fine-tuning with a new head that the optimizer never heard of.

    gradscope trace examples/optimizer_mismatch.py

Look for: the optimizer, built one line too early. It still holds the head that the next line replaces;
the new head gets gradients that nobody applies. Build the optimizer last.
"""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential()
model.body = nn.Sequential(nn.Linear(8, 16), nn.ReLU())
model.head = nn.Linear(16, 10)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)  # <- GS107
model.head = nn.Linear(16, 3)

x, y = torch.randn(32, 8), torch.randint(0, 3, (32,))
for _ in range(3):
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    print(f"{loss.item():.4f}")
