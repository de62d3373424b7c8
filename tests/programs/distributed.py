"""DistributedDataParallel over gloo with one process, the second step without synchronisation."""

import tempfile

import fingerprint
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

with tempfile.TemporaryDirectory() as folder:
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=0, world_size=1)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 1))
    parallel = DistributedDataParallel(model)
    optimizer = torch.optim.SGD(parallel.parameters(), lr=0.05)
    x = torch.randn(32, 8)
    y = x.sum(dim=1, keepdim=True)
    for step in range(3):
        optimizer.zero_grad()
        if step == 1:
            with parallel.no_sync():
                nn.functional.mse_loss(parallel(x[:16]), y[:16]).backward()
        loss = nn.functional.mse_loss(parallel(x[16:]), y[16:])
        loss.backward()
        fingerprint.gradients(step, loss, model)
        optimizer.step()
    fingerprint.parameters(model)
    dist.destroy_process_group()
