import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(256, 4)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x = 300 * torch.randn(16, 256)
with torch.autocast("cpu", dtype=torch.float16):
    scores = model(x)
    loss = (scores * scores).mean()  # expect: GS403
loss.backward()
optimizer.step()
