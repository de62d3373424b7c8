"""Convolutions and attention on the GPU: float32, then float16 under autocast with a loss scale."""

import os

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

import fingerprint
import torch
from torch import nn

torch.use_deterministic_algorithms(True, warn_only=True)
torch.backends.cudnn.benchmark = False


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.patch = nn.Conv2d(3, 32, 4, stride=4)
        self.norm = nn.BatchNorm2d(32)
        layer = nn.TransformerEncoderLayer(32, 4, 64, dropout=0.1, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, num_layers=2)
        self.head = nn.Linear(32, 5)

    def forward(self, x):
        h = self.norm(self.patch(x)).flatten(2).transpose(1, 2)
        return self.head(self.encoder(h).mean(dim=1))


torch.manual_seed(0)
for half in (False, True):
    model = Net().cuda()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    scaler = torch.amp.GradScaler("cuda", init_scale=256.0, enabled=half)
    x, y = torch.randn(8, 3, 16, 16, device="cuda"), torch.randint(0, 5, (8,), device="cuda")
    for step in range(3):
        optimizer.zero_grad()
        with torch.autocast("cuda", dtype=torch.float16, enabled=half):
            loss = nn.functional.cross_entropy(model(x), y)
        scaler.scale(loss).backward()
        fingerprint.gradients(step, loss, model)
        scaler.step(optimizer)
        scaler.update()
    fingerprint.parameters(model)
torch.use_deterministic_algorithms(False)
