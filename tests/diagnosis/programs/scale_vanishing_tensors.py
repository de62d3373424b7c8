import torch

torch.manual_seed(0)
weights = [(0.1 * torch.randn(20, 20)).requires_grad_() for _ in range(24)]
optimizer = torch.optim.SGD(weights, lr=0.1)
x, y = torch.randn(32, 20), torch.randn(32, 20)
for _ in range(4):
    h = x
    for weight in weights:
        h = torch.tanh(h @ weight)  # expect: GS404
    optimizer.zero_grad()
    (h - y).pow(2).mean().backward()
    optimizer.step()
