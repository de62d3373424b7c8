import torch

torch.manual_seed(0)

w = torch.zeros(3, requires_grad=True)
b = torch.zeros(1, requires_grad=True)
x, y = torch.randn(20, 3), torch.randn(20)
for _ in range(6):
    loss = ((x @ w + b - y) ** 2).mean()
    loss.backward()  # expect: GS501
    with torch.no_grad():
        w -= 0.01 * w.grad
        b -= 0.01 * b.grad
