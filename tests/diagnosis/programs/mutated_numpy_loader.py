import numpy as np
import torch
import torch.nn as nn

torch.manual_seed(0)


class Batches:
    def __init__(self):
        self.rows = np.random.default_rng(0).normal(size=(24, 4)).astype(np.float32)
        self.buffer = np.empty((6, 4), dtype=np.float32)

    def __iter__(self):
        for start in range(0, 24, 6):
            np.copyto(self.buffer, self.rows[start : start + 6])  # expect: GS203
            yield torch.as_tensor(self.buffer)


net = nn.Linear(4, 3)
opt = torch.optim.SGD(net.parameters(), lr=0.1)
before = None
for x in Batches():
    z = net(x)
    if before is not None:
        loss = (z @ before.T).pow(2).mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
        z = net(x)
    before = z
