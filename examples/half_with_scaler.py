"""float16 as it is meant: float32 parameters, autocast, and a GradScaler that finds its own scale.

    gradscope trace examples/half_with_scaler.py

Look for: no findings. The first scale is too large, the scaler leaves those steps out and halves it; that is
its ordinary work. The last line trains on in bfloat16, which needs no scale.
"""

import torch
from torch import nn

torch.manual_seed(0)
encoder, decoder = nn.Linear(128, 32), nn.Linear(32, 128)
optimizer = torch.optim.AdamW([*encoder.parameters(), *decoder.parameters()], lr=1e-3)
images = 0.02 * torch.randn(2048, 128)
scaler = torch.amp.GradScaler("cpu", init_scale=2.0**32)


def loss_in(dtype):
    with torch.autocast("cpu", dtype=dtype):
        copy = decoder(torch.tanh(encoder(images)))
    return 0.1 * nn.functional.mse_loss(copy.float(), images)


for step in range(12):
    optimizer.zero_grad()
    loss = loss_in(torch.float16)
    scaler.scale(loss).backward()
    scaler.step(optimizer)
    scaler.update()
    print(f"step {step}   loss {loss.item():.6f}   scale {scaler.get_scale():.0f}")

optimizer.zero_grad()
loss_in(torch.bfloat16).backward()
optimizer.step()
