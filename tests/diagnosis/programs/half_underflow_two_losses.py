import torch
from torch import nn

torch.manual_seed(0)
encoder, main, side = nn.Linear(16, 32), nn.Linear(32, 4), nn.Linear(32, 256)
parameters = [*encoder.parameters(), *main.parameters(), *side.parameters()]
optimizer = torch.optim.SGD(parameters, lr=0.1)
for _ in range(3):
    x, y = torch.randn(256, 16), torch.randint(0, 4, (256,))
    with torch.autocast("cpu", dtype=torch.float16):
        hidden = torch.relu(encoder(x))
        scores, noise = main(hidden), side(hidden)
    penalty = noise.float().pow(2).mean()  # expect: GS406
    loss = nn.functional.cross_entropy(scores.float(), y) + 1e-3 * penalty
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
