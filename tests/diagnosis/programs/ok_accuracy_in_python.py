import torch
from torch import nn

torch.manual_seed(0)
net = nn.Linear(4, 3)
opt = torch.optim.SGD(net.parameters(), 0.1)
correct = 0
wrong = []
for i in range(3):
    x, y = torch.randn(8, 4), torch.randint(0, 3, (8,))
    o = net(x)
    loss = nn.functional.cross_entropy(o, y)
    opt.zero_grad()
    loss.backward()
    opt.step()
    for p, t in zip(o.argmax(-1), y):
        if p == t:
            correct += 1
        else:
            wrong.append(int(p))
    print(f"{loss:.3f} {correct} {wrong[:2]}")
