"""A recurrent net whose hidden state carries the graph of one batch into the next.

    gradscope trace examples/rnn_hidden.py

Look for: the line that carries the old graph over, although torch raises only at the second backward.
`hidden = hidden.detach()` after each step ends the graph there; that is what truncated backpropagation
through time means.
"""

import torch
from torch import nn

torch.manual_seed(0)
series = torch.sin(torch.arange(200) * 0.2).reshape(5, 1, 40, 1)
rnn = nn.GRU(1, 16, batch_first=True)
head = nn.Linear(16, 1)
optimizer = torch.optim.Adam([*rnn.parameters(), *head.parameters()], lr=1e-2)

hidden = None
for batch in series:
    states, hidden = rnn(batch[:, :-1], hidden)  # <- GS301
    loss = nn.functional.mse_loss(head(states), batch[:, 1:])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(f"loss {loss.item():.4f}")
