import torch
from torch import nn

torch.manual_seed(0)


class Calibration(nn.Module):
    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(1))

    def forward(self, x):
        return self.gain * x  # expect: GS407


model = Calibration().half()
optimizer = torch.optim.SGD(model.parameters(), lr=1e-6)
for _ in range(2):
    counts = (200 * torch.rand(4096)).half()
    loss = (model(counts) - 1.5 * counts).abs().float().sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
