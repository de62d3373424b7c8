"""Sparse gradients of embeddings, two optimizers, tied weights."""

import fingerprint
import torch
from torch import nn

torch.manual_seed(0)
items = nn.Embedding(50, 8, sparse=True)
words = nn.Embedding(30, 8)
output = nn.Linear(8, 30, bias=False)
output.weight = words.weight
mix = nn.Linear(16, 8)
dense = [words.weight, *mix.parameters()]
named = [("items", items.weight), ("words", words.weight), *mix.named_parameters("mix")]
of_sparse = torch.optim.SparseAdam(list(items.parameters()), lr=1e-2)
of_dense = torch.optim.Adagrad(dense, lr=1e-2)
ids, tokens, targets = torch.randint(0, 50, (16,)), torch.randint(0, 30, (16,)), torch.randint(0, 30, (16,))
for step in range(3):
    of_sparse.zero_grad()
    of_dense.zero_grad()
    h = mix(torch.cat([items(ids), words(tokens)], dim=1))
    loss = nn.functional.cross_entropy(output(h), targets)
    loss.backward()
    fingerprint.gradients(step, loss, named)
    of_sparse.step()
    of_dense.step()
fingerprint.parameters(named)
