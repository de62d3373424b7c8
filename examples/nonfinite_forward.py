"""The loss is infinite before backward begins: a probability of exactly 0 went into a log.

    gradscope trace examples/nonfinite_forward.py

Look for: the first op with a result that is not finite. In float32 a softmax over logits 200 apart
gives 0, and log(0) is -inf; log_softmax never forms the 0.
"""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(4, 3)
x, y = 200 * torch.randn(16, 4), torch.randint(0, 3, (16,))
probability = torch.softmax(model(x), dim=1)
surprise = -torch.log(probability)  # <- GS403
loss = surprise[torch.arange(16), y].mean()
loss.backward()
print(loss.item())
