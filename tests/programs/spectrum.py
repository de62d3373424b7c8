"""Complex parameters and an FFT: a learned filter in the frequency domain."""

import fingerprint
import torch
from torch import nn


class Filter(nn.Module):
    def __init__(self):
        super().__init__()
        self.response = nn.Parameter(torch.randn(17, dtype=torch.complex64))
        self.gain = nn.Parameter(torch.ones(()))

    def forward(self, x):
        return self.gain * torch.fft.irfft(torch.fft.rfft(x) * self.response, n=32)


torch.manual_seed(0)
model = Filter()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
x = torch.randn(8, 32)
y = x.roll(1, dims=1)
for step in range(3):
    optimizer.zero_grad()
    loss = nn.functional.mse_loss(model(x), y)
    loss.backward()
    fingerprint.gradients(step, loss, model)
    optimizer.step()
fingerprint.parameters(model)
