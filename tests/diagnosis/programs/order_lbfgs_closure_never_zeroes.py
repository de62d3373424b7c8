import torch
import torch.nn as nn

torch.manual_seed(0)

w = nn.Parameter(torch.zeros(3))
x, y = torch.randn(20, 3), torch.randn(20)
opt = torch.optim.LBFGS([w], max_iter=3, lr=0.01)
for _ in range(3):

    def closure():
        loss = ((x @ w - y) ** 2).mean()
        loss.backward()  # expect: GS501
        return loss

    opt.step(closure)
