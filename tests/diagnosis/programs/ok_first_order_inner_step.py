import torch

torch.manual_seed(0)

w = torch.zeros(3, requires_grad=True)
opt = torch.optim.SGD([w], lr=0.1)
for _ in range(4):
    x, target = torch.randn(10, 3), torch.randn(3)
    y = x @ target
    inner = ((x[:5] * w).sum(1) - y[:5]).pow(2).mean()
    (g,) = torch.autograd.grad(inner, w)
    fast = w - 0.1 * g
    loss = ((x[5:] * fast).sum(1) - y[5:]).pow(2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
