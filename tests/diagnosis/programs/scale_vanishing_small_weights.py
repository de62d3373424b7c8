# Weights drawn with a deviation of 0.05: ten layers of tanh leave nothing of the input, nor of the gradient.
import torch

torch.manual_seed(0)
weights = [(torch.randn(16, 16) * 0.05).requires_grad_() for _ in range(9)]
optimizer = torch.optim.SGD(weights, lr=0.1)
for _ in range(5):
    hidden = torch.randn(32, 16)
    for weight in weights:
        hidden = torch.tanh(hidden @ weight)  # expect: GS404
    loss = (hidden - 1).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
