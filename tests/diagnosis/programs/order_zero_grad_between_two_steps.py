"""One loss for two optimizers, and everything zeroed when only the first of them has stepped."""

import torch

torch.manual_seed(0)
encoder, decoder = torch.nn.Linear(4, 3), torch.nn.Linear(3, 4)
model = torch.nn.Sequential(encoder, decoder)
encoder_step = torch.optim.SGD(encoder.parameters(), lr=0.1)
decoder_step = torch.optim.SGD(decoder.parameters(), lr=0.1)
for step in range(4):
    x = torch.randn(8, 4)
    (model(x) - x).pow(2).mean().backward()
    encoder_step.step()
    model.zero_grad()
    decoder_step.step()  # expect: GS503
