"""An exponential moving average of the weights, evaluated beside the model that is trained."""

import copy

import fingerprint
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(inplace=True), nn.Linear(16, 1))
by_hand = copy.deepcopy(model).requires_grad_(False)
averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9), use_buffers=True)
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
x = torch.randn(64, 8)
y = x.sum(dim=1, keepdim=True)

for step in range(4):
    optimizer.zero_grad()
    with torch.no_grad():
        target = 0.5 * y + 0.5 * by_hand(x)
    loss = nn.functional.mse_loss(model(x), target)
    loss.backward()
    fingerprint.gradients(step, loss, model)
    optimizer.step()
    averaged.update_parameters(model)
    with torch.no_grad():
        for slow, fast in zip(by_hand.parameters(), model.parameters(), strict=True):
            slow.mul_(0.9).add_(fast, alpha=0.1)

averaged.eval()
with torch.inference_mode():
    print("eval", fingerprint.digest(averaged(x)))
fingerprint.parameters(model)
fingerprint.parameters(by_hand)
fingerprint.parameters(averaged)
