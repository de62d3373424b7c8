import torch
import torch.nn as nn

torch.manual_seed(0)

net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
opt = torch.optim.AdamW(net.parameters(), lr=1e-3)
scaler = torch.amp.GradScaler("cpu", init_scale=256.0)
sched = torch.optim.lr_scheduler.OneCycleLR(opt, 0.01, total_steps=10)
opt.zero_grad(set_to_none=True)
for i in range(14):
    with torch.autocast("cpu", dtype=torch.float16):
        out = net(torch.randn(4, 4))
    scaler.scale(out.float().pow(2).mean() / 4).backward()
    if (i + 1) % 4 == 0:
        scaler.unscale_(opt)
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        scaler.step(opt)
        scaler.update()
        sched.step()
        opt.zero_grad(set_to_none=True)
