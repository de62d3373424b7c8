"""Is meant to train all of the classifier, and trains its head alone."""

import torch
import torch.nn.functional as F

from model import Classifier

torch.manual_seed(0)
model = Classifier()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
for _ in range(3):
    x, y = torch.randn(32, 16), torch.randint(0, 4, (32,))
    features = model.features(x).detach()
    loss = F.cross_entropy(model.head(features), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
