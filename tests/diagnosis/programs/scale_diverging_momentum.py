# A rate that is right without momentum, and too large for the steepest direction with it.
import torch

torch.manual_seed(0)
w = torch.randn(5, requires_grad=True)
curvature = torch.tensor([1.0, 5.0, 10.0, 50.0, 100.0])
optimizer = torch.optim.SGD([w], lr=0.05, momentum=0.9)
for _ in range(40):
    loss = (curvature * w * w).sum()
    optimizer.zero_grad()
    loss.backward()  # expect: GS405
    optimizer.step()
