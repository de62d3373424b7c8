import torch

torch.manual_seed(0)

w = torch.zeros(3, requires_grad=True)
x, y = torch.randn(10, 3), torch.randn(10)
for _ in range(3):
    loss = ((x @ w - y) ** 2).mean()
    loss.backward()
    w = w - 0.1 * w.grad  # expect: GS104
