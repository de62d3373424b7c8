import torch
from torch import nn

torch.manual_seed(0)


class Segmenter(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Conv2d(3, 8, 3, padding=1)
        self.outer = nn.Conv2d(8, 4, 3, padding=1)

    def forward(self, image):
        return self.outer(torch.relu(self.inner(image)))


model = Segmenter()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(3):
    image, target = torch.rand(4, 3, 32, 32), torch.rand(4, 4, 32, 32)
    with torch.autocast("cpu", dtype=torch.float16):
        logits = model(image)
    loss = 1e-3 * nn.functional.mse_loss(logits.float(), target)  # expect: GS406
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
