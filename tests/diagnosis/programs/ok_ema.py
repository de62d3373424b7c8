import torch
import torch.nn as nn

torch.manual_seed(0)

net = nn.Linear(3, 1)
ema = {k: v.detach().clone() for k, v in net.named_parameters()}
opt = torch.optim.SGD(net.parameters(), lr=0.1)
avg = None
for _ in range(5):
    loss = net(torch.randn(4, 3)).pow(2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    avg = loss.item() if avg is None else 0.9 * avg + 0.1 * loss.item()
    with torch.no_grad():
        for k, v in net.named_parameters():
            ema[k].mul_(0.9).add_(v, alpha=0.1)
