"""A reentrant checkpoint after a frozen embedding: the blocks inside it get no gradient.

    gradscope trace examples/checkpoint_severed.py

Look for: the line that calls the checkpoint. It puts one node in the place of a block, and only where a
tensor that it is given requires a gradient; the parameters of the block do not count.
"""

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(50, 16).requires_grad_(False)
        self.blocks = nn.ModuleList(nn.Sequential(nn.Linear(16, 16), nn.Tanh()) for _ in range(3))
        self.head = nn.Linear(16, 4)

    def forward(self, tokens):
        h = self.words(tokens)
        for block in self.blocks:
            h = h + checkpoint(block, h, use_reentrant=True)  # <- GS701
        return self.head(h)


torch.manual_seed(0)
model = Tagger()
optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=1e-3)
for _ in range(3):
    tokens, tags = torch.randint(0, 50, (8, 12)), torch.randint(0, 4, (8, 12))
    loss = nn.functional.cross_entropy(model(tokens).flatten(0, 1), tags.flatten())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(f"{loss.item():.4f}")
