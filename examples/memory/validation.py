"""A training loop that validates without `no_grad`: every batch builds a graph that nobody uses."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(64, 256), nn.GELU(), nn.Linear(256, 10))
optimizer = torch.optim.Adam(model.parameters())
loss_fn = nn.CrossEntropyLoss()
inputs, labels = torch.randn(512, 64), torch.randint(0, 10, (512,))

for epoch in range(2):
    for batch in range(0, 384, 64):
        optimizer.zero_grad()
        loss = loss_fn(model(inputs[batch : batch + 64]), labels[batch : batch + 64])
        loss.backward()
        optimizer.step()
    right = 0
    for batch in range(384, 512, 64):
        scores = model(inputs[batch : batch + 64])
        right += (scores.argmax(1) == labels[batch : batch + 64]).sum().item()
    print(f"epoch {epoch}: {right} of 128 right")
