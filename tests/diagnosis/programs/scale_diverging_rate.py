# Too large a step, but slowly: nothing overflows in this run.
import torch

torch.manual_seed(0)
w = torch.zeros(4, requires_grad=True)
x = torch.randn(64, 4)
y = x @ torch.tensor([1.0, -2.0, 3.0, 0.5])
optimizer = torch.optim.SGD([w], lr=1.6)
for _ in range(30):
    optimizer.zero_grad()
    (x @ w - y).pow(2).mean().backward()  # expect: GS405
    optimizer.step()
