import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(4, 4).half()
optimizer = torch.optim.SGD(model.parameters(), lr=1e-2)
for _ in range(2):
    shares = torch.softmax(60 * model(torch.randn(16, 4).half()), -1)
    loss = -(shares.clamp_min(6e-8).log()).mean()  # expect: GS407
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
