import torch
from torch import nn

torch.manual_seed(0)
gate, experts = nn.Linear(4, 3), nn.ModuleList(nn.Linear(4, 4) for _ in range(3))
head = nn.Linear(4, 2)
opt = torch.optim.Adam([*gate.parameters(), *experts.parameters(), *head.parameters()], 1e-3)
for i in range(8):
    x, y = torch.randn(8, 4), torch.randint(0, 2, (8,))
    k = torch.distributions.Categorical(logits=gate(x).mean(0)).sample()
    h = experts[k](x)  # expect: GS102
    loss = nn.functional.cross_entropy(head(h), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
