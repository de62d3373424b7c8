"""Trains one of the small models by an ordinary loop: `python train_loop.py gpt2`."""

import sys

import fingerprint
import small_models
import torch

name = sys.argv[1]
torch.manual_seed(0)
model = small_models.build(name)
data = small_models.samples(name, 12)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
schedule = torch.optim.lr_scheduler.LinearLR(optimizer, total_iters=3)

for step in range(3):
    chosen = data[4 * step : 4 * step + 4]
    batch = {key: torch.stack([sample[key] for sample in chosen]) for key in chosen[0]}
    optimizer.zero_grad()
    loss = model(**batch).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    fingerprint.gradients(step, loss, model)
    optimizer.step()
    schedule.step()

model.eval()
with torch.no_grad():
    print("eval", fingerprint.digest(model(**batch).logits))
fingerprint.parameters(model)
