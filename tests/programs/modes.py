"""The program's own modes: a function mode, a dispatch mode, a Tensor subclass, a default device."""

import fingerprint
import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode


class Counting(TorchFunctionMode):
    def __init__(self):
        super().__init__()
        self.calls = 0

    def __torch_function__(self, func, types, args=(), kwargs=None):
        self.calls += 1
        return func(*args, **(kwargs or {}))


class Names(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.append(str(func))
        return func(*args, **(kwargs or {}))


class Tagged(torch.Tensor):
    pass


torch.manual_seed(0)
model = nn.Linear(4, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x = torch.randn(8, 4)
for step in range(3):
    optimizer.zero_grad()
    with Counting() as counting, Names() as names:
        loss = model(x.as_subclass(Tagged)).square().mean()
        loss.backward()
    print(step, counting.calls, names.names, type(loss).__name__)
    with torch.autograd.set_detect_anomaly(True), torch.device("cpu"):
        (model(torch.ones(2, 4)).sum() * 0.1).backward()
    fingerprint.gradients(step, loss, model)
    optimizer.step()
fingerprint.parameters(model)
