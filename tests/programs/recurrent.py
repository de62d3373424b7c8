"""An LSTM over padded sequences, with a hidden state carried over and detached."""

import fingerprint
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(20, 8, padding_idx=0)
        self.lstm = nn.LSTM(8, 12, num_layers=2, dropout=0.2, bidirectional=True, batch_first=True)
        self.head = nn.Linear(24, 5)

    def forward(self, ids, lengths):
        packed = pack_padded_sequence(self.embed(ids), lengths, batch_first=True, enforce_sorted=False)
        states, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True)
        return self.head(states)


torch.manual_seed(0)
tagger, cell = Tagger(), nn.LSTMCell(5, 6)
named = [*tagger.named_parameters(), *cell.named_parameters("cell")]
optimizer = torch.optim.Adam([parameter for _, parameter in named], lr=1e-2)
lengths = torch.tensor([7, 5, 3])
ids = torch.randint(1, 20, (3, 7)) * (torch.arange(7) < lengths[:, None])
tags = torch.randint(0, 5, (3, 7)).masked_fill(ids == 0, -100)

hidden, memory = torch.zeros(3, 6), torch.zeros(3, 6)
for step in range(3):
    optimizer.zero_grad()
    logits = tagger(ids, lengths)
    hidden, memory = cell(logits.mean(dim=1), (hidden.detach(), memory.detach()))
    loss = nn.functional.cross_entropy(logits.flatten(0, 1), tags.flatten()) + hidden.square().mean()
    loss.backward()
    nn.utils.clip_grad_value_(tagger.parameters(), 0.5)
    fingerprint.gradients(step, loss, named)
    optimizer.step()
fingerprint.parameters(named)
