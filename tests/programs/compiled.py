"""A model under torch.compile, by a backend that needs no C++ compiler: `python compiled.py aot_eager`."""

import sys

import fingerprint
import torch
from torch import nn

backend = sys.argv[1]
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(8, 32), nn.GELU(), nn.Dropout(0.1), nn.Linear(32, 8), nn.LayerNorm(8))
head = nn.Linear(8, 1)
compiled = torch.compile(model, backend=backend, fullgraph=True)
named = [*model.named_parameters(), *head.named_parameters("head")]
optimizer = torch.optim.AdamW([parameter for _, parameter in named], lr=1e-2)
x = torch.randn(16, 8)
y = x.sum(dim=1, keepdim=True)


@torch.compile(backend=backend, fullgraph=True)
def objective(prediction, target):
    return nn.functional.smooth_l1_loss(prediction, target) + 1e-3 * prediction.abs().mean()


for step in range(3):
    optimizer.zero_grad()
    loss = objective(head(compiled(x)), y)
    loss.backward()
    fingerprint.gradients(step, loss, named)
    optimizer.step()

model.eval()
with torch.no_grad():
    print("eval", fingerprint.digest(head(compiled(x))))
fingerprint.parameters(named)
