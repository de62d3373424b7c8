import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, 4)).half().eval()
with torch.no_grad():
    for _ in range(3):
        print(model(1e-4 * torch.randn(8, 16).half()).argmax(-1))
probe = torch.randn(8, 16, requires_grad=True)
(1e-3 * model(probe.half()).float().softmax(-1)[:, 0].sum()).backward()
print(probe.grad.abs().amax())
