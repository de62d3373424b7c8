"""float16 without a loss scale: gradients below 6e-8 become zero, and the loss just stops falling.

    gradscope trace examples/half_underflow.py

Look for: the share of the elements that were flushed to 0, and the loss scales that would have kept them. The
mean is over 128 pixels of 2,048 images, so that each pixel's gradient is tiny before the model even begins.
"""

import torch
from torch import nn

torch.manual_seed(0)
encoder, decoder = nn.Linear(128, 32), nn.Linear(32, 128)
optimizer = torch.optim.AdamW([*encoder.parameters(), *decoder.parameters()], lr=1e-3)
images = 0.02 * torch.randn(2048, 128)
for step in range(4):
    with torch.autocast("cpu", dtype=torch.float16):
        code = torch.tanh(encoder(images))
        copy = decoder(code)
    loss = 0.1 * nn.functional.mse_loss(copy.float(), images)  # <- GS406
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(f"step {step}   loss {loss.item():.6f}")
