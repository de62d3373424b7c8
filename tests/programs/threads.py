"""Training in threads: two plain ones, then a pool; each has its own model."""

import threading
from concurrent.futures import ThreadPoolExecutor

import fingerprint
import torch
from torch import nn


def train(model, x):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        loss = (model(x) - x.sum(dim=1, keepdim=True)).square().mean()
        loss.backward()
        optimizer.step()
    return loss


torch.manual_seed(0)
models = [nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1)) for _ in range(4)]
inputs = [torch.randn(16, 4) for _ in models]

threads = [threading.Thread(target=train, args=pair) for pair in zip(models[:2], inputs[:2], strict=True)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
with ThreadPoolExecutor(max_workers=2) as pool:
    losses = list(pool.map(train, models[2:], inputs[2:]))

for number, model in enumerate(models):
    fingerprint.gradients(number, losses[number % 2], model)
    fingerprint.parameters(model)
