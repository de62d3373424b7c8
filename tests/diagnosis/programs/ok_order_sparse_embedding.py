import torch
import torch.nn as nn

torch.manual_seed(0)

table, head = nn.EmbeddingBag(20, 4, sparse=True), nn.Linear(4, 1)
opts = [torch.optim.SparseAdam(table.parameters()), torch.optim.Adam(head.parameters())]
for _ in range(4):
    for opt in opts:
        opt.zero_grad(set_to_none=False)
    for _ in range(2):
        head(table(torch.randint(0, 20, (4, 3)))).pow(2).mean().backward()
    nn.utils.clip_grad_norm_(head.parameters(), 1.0)
    for opt in opts:
        opt.step()
