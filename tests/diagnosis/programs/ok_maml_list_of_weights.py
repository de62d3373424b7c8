import torch

torch.manual_seed(0)
meta = [torch.randn(3, requires_grad=True), torch.zeros(1, requires_grad=True)]
opt = torch.optim.SGD(meta, 0.1)
for it in range(3):
    fast = meta
    for _ in range(2):
        x = torch.randn(5, 3)
        inner = (x @ fast[0] + fast[1] - 1).pow(2).mean()
        grads = torch.autograd.grad(inner, fast, create_graph=True)
        fast = [w - 0.1 * g for w, g in zip(fast, grads)]
    x = torch.randn(5, 3)
    outer = (x @ fast[0] + fast[1] - 1).pow(2).mean()
    opt.zero_grad()
    outer.backward()
    opt.step()
