"""Batches from two worker processes: `python data_workers.py fork` (or spawn)."""

import multiprocessing
import sys

import fingerprint
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Waves(Dataset):
    """Each sample is made with torch, in the worker."""

    def __len__(self):
        return 24

    def __getitem__(self, index):
        phase = torch.tensor(index / 24, requires_grad=True)
        wave = torch.sin(torch.linspace(0, 6, 16) + phase)
        return wave.detach(), wave.sum().detach()


def main(start):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    context = multiprocessing.get_context(start)
    batches = DataLoader(Waves(), batch_size=8, shuffle=True, num_workers=2, multiprocessing_context=context)
    for step, (x, y) in enumerate(batches):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x).squeeze(1), y)
        loss.backward()
        fingerprint.gradients(step, loss, model)
        optimizer.step()
    fingerprint.parameters(model)


if __name__ == "__main__":
    main(sys.argv[1])
