import torch
import torch.nn as nn

torch.manual_seed(0)

net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
opt = torch.optim.SGD(net.parameters(), lr=0.05)
scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
for _ in range(4):
    opt.zero_grad()
    with torch.autocast("cpu", dtype=torch.float16):
        out = net(torch.randn(4, 4))
    loss = out.float().pow(2).mean()
    scaler.scale(loss / 2).backward()
    nn.utils.clip_grad_norm_(net.parameters(), 1.0)  # expect: GS502
    scaler.unscale_(opt)
    scaler.step(opt)
    scaler.update()
