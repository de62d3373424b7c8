"""A language model on a frozen embedding: no input of its checkpointed layers requires a gradient."""

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


class Layer(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.mix = nn.Linear(width, width)

    def forward(self, x):
        return x + torch.tanh(self.mix(self.norm(x)))


class Model(nn.Module):
    def __init__(self, width=12):
        super().__init__()
        self.table = nn.Embedding(30, width)
        self.layers = nn.ModuleList(Layer(width) for _ in range(3))
        self.head = nn.Linear(width, 30)

    def run(self, layer, x):
        return checkpoint(layer, x, use_reentrant=True)  # expect: GS701

    def forward(self, tokens):
        x = self.table(tokens)
        for layer in self.layers:
            x = self.run(layer, x)
        return self.head(x)


torch.manual_seed(0)
model = Model()
model.table.requires_grad_(False)
trained = [p for p in model.parameters() if p.requires_grad]
optimizer = torch.optim.AdamW(trained, lr=1e-3)
for _ in range(3):
    tokens = torch.randint(0, 30, (4, 9))
    logits = model(tokens[:, :-1])
    loss = nn.functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
