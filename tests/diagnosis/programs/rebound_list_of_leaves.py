import torch

torch.manual_seed(0)
params = [torch.randn(3, requires_grad=True), torch.randn(1, requires_grad=True)]
for step in range(3):
    x = torch.randn(5, 3)
    loss = (x @ params[0] + params[1]).pow(2).mean()
    loss.backward()
    params = [w - 0.1 * w.grad for w in params]  # expect: GS104
