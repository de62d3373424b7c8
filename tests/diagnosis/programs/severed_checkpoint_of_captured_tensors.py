"""A reentrant checkpoint of a function without arguments: all it uses is captured."""

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

torch.manual_seed(0)
encoder, decoder, gate = nn.Linear(6, 8), nn.Linear(8, 6), nn.Linear(6, 6)
optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters(), *gate.parameters()])


def loss_of(batch):
    code = torch.tanh(encoder(batch))

    def rebuild():
        return decoder(code)

    rebuilt = checkpoint(rebuild, use_reentrant=True)  # expect: GS701
    return ((rebuilt - batch) * torch.sigmoid(gate(batch))).square().mean()


for _ in range(3):
    loss = loss_of(torch.randn(16, 6))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
