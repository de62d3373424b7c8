import torch

x = torch.ones(4, 3)
weights = [torch.full((3, 3), 0.3, requires_grad=True) for _ in range(12)]
bias = torch.zeros(3, requires_grad=True)
for w in weights:
    x = torch.relu(x @ w + bias)
loss = x.mean()
loss.backward()
