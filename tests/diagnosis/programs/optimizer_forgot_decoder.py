import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)

encoder, decoder = nn.Linear(4, 8), nn.Linear(8, 4)
opt = torch.optim.Adam(encoder.parameters(), lr=0.01)  # expect: GS107
for _ in range(3):
    x = torch.randn(6, 4)
    opt.zero_grad()
    F.mse_loss(decoder(encoder(x).relu()), x).backward()
    opt.step()
