# The biases before the BatchNorms get 0 in truth, and everything else because float16 flushes it.
import torch
from torch import nn

torch.manual_seed(0)
net = nn.Sequential(
    *(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU()),
    *(nn.Conv2d(8, 16, 3), nn.BatchNorm2d(16), nn.ReLU()),
    *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10)),
)
optimizer = torch.optim.Adam(net.parameters())
for _ in range(5):
    with torch.autocast("cpu", dtype=torch.float16):
        logits = net(torch.randn(32, 3, 16, 16))  # expect: GS406
    loss = nn.functional.cross_entropy(logits.float(), torch.randint(0, 10, (32,)))
    optimizer.zero_grad()
    loss.mul(1e-4).backward()
    optimizer.step()
