"""Attention and a recurrent layer in a reentrant checkpoint: other kernels run where a graph is made."""

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


class Mixer(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(16, 4, batch_first=True, dropout=0.1)
        self.rnn = nn.LSTM(16, 16, num_layers=2, dropout=0.1, batch_first=True)
        self.norm = nn.LayerNorm(16)
        self.encoder = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True)

    def forward(self, x):
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1])
        x = x + self.attention(x, x, x, attn_mask=mask, need_weights=False)[0]
        q = x.unflatten(-1, (4, 4)).transpose(1, 2)
        x = x + nn.functional.scaled_dot_product_attention(q, q, q, is_causal=True).transpose(1, 2).flatten(2)
        return self.norm(self.rnn(self.encoder(x))[0])


torch.manual_seed(0)
embed, mixers, head = nn.Embedding(20, 16), nn.ModuleList(Mixer() for _ in range(2)), nn.Linear(16, 20)
optimizer = torch.optim.Adam([*embed.parameters(), *mixers.parameters(), *head.parameters()], lr=1e-3)
for step in range(4):
    mixers.train(step != 2)
    tokens = torch.randint(0, 20, (3, 8))
    x = embed(tokens[:, :-1])
    for mixer in mixers:
        x = checkpoint(mixer, x, use_reentrant=True)
    loss = nn.functional.cross_entropy(head(x).flatten(0, 1), tokens[:, 1:].flatten())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
