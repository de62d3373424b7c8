import torch
from torch import nn

torch.manual_seed(0)
emit, trans = nn.Linear(4, 3), nn.Parameter(torch.randn(3, 3))
opt = torch.optim.SGD([*emit.parameters(), trans], 0.1)
for i in range(2):
    e = emit(torch.randn(5, 4))
    y = torch.randint(0, 3, (5,))
    T = trans.tolist()  # expect: GS102
    best = 0.0
    for t in range(1, 5):
        best += T[int(y[t - 1])][int(y[t])]
    loss = nn.functional.cross_entropy(e, y) - best * 0.1 * e.mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
