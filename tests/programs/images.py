"""A convolutional net with batch norm, in-place ReLU, pooling, dropout and a residual branch."""

import fingerprint
import torch
from torch import nn


class Residual(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut = nn.Conv2d(inputs, outputs, 1)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        h = self.body(x)
        h += self.shortcut(x)
        return self.relu(h)


torch.manual_seed(0)
model = nn.Sequential(
    Residual(3, 8), nn.MaxPool2d(2), Residual(8, 16), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2)
)
model.append(nn.Linear(16, 4))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, nesterov=True, weight_decay=1e-4)
schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=4)
x, y = torch.randn(8, 3, 16, 16), torch.randint(0, 4, (8,))
for step in range(4):
    optimizer.zero_grad(set_to_none=False)
    loss = nn.functional.cross_entropy(model(x), y, label_smoothing=0.1)
    loss.backward()
    fingerprint.gradients(step, loss, model)
    optimizer.step()
    schedule.step()
model.eval()
with torch.no_grad():
    accuracy = (model(x).argmax(dim=1) == y).float().mean().item()
print("accuracy", accuracy)
fingerprint.parameters(model)
