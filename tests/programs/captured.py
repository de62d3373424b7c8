"""A model captured by the program: torch.fx, torch.export, FakeTensorMode; then trained."""

import fingerprint
import torch
from torch import nn
from torch._subclasses import FakeTensorMode

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 2))
x, y = torch.randn(8, 6), torch.randn(8, 2)

graph = torch.fx.symbolic_trace(model)
print([node.op for node in graph.graph.nodes])
exported = torch.export.export(model, (x,)).module()
with FakeTensorMode(allow_non_fake_inputs=True) as mode:
    print(tuple(model(mode.from_tensor(x)).shape))

optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(3):
    optimizer.zero_grad()
    loss = nn.functional.mse_loss(graph(x), y)
    loss.backward()
    fingerprint.gradients(step, loss, model)
    optimizer.step()
exported_loss = nn.functional.mse_loss(exported(x), y)
exported_loss.backward()
fingerprint.gradients(3, exported_loss, exported)
fingerprint.parameters(model)
