"""Attention in training, and in evaluation where torch takes its fast path."""

import fingerprint
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(16, 4, 32, dropout=0.1, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, num_layers=2)
        self.attention = nn.MultiheadAttention(16, 2, batch_first=True)
        self.head = nn.Linear(16, 3)

    def forward(self, x, padding=None):
        h = self.encoder(x, src_key_padding_mask=padding)
        h, _ = self.attention(h, h, h, need_weights=False)
        return self.head(h.mean(dim=1))


torch.manual_seed(0)
model = Net()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
x, y = torch.randn(8, 10, 16), torch.randint(0, 3, (8,))
padding = torch.arange(10) >= torch.randint(5, 11, (8, 1))

for step in range(3):
    model.train()
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(x), y)
    loss.backward()
    fingerprint.gradients(step, loss, model)
    optimizer.step()

    model.eval()
    with torch.no_grad():
        print(f"step {step} no_grad", fingerprint.digest(model(x)))
        print(f"step {step} padded", fingerprint.digest(model(x, padding)))
        print(f"step {step} encoder", fingerprint.digest(model.encoder(x, src_key_padding_mask=padding)))
        print(f"step {step} attention", fingerprint.digest(model.attention(x, x, x)[0]))
    with torch.inference_mode():
        print(f"step {step} inference_mode", fingerprint.digest(model(x)))
    print(f"step {step} with grad", fingerprint.digest(model(x)))
fingerprint.parameters(model)
