import torch
from torch import nn

torch.manual_seed(0)


class KD(nn.Module):
    def __init__(self):
        super().__init__()
        self.teacher, self.student = nn.Linear(4, 3), nn.Linear(4, 3)

    def forward(self, x):
        with torch.no_grad():
            t = self.teacher(x).softmax(-1)
        return nn.functional.kl_div(self.student(x).log_softmax(-1), t, reduction="batchmean")


net = KD()
opt = torch.optim.SGD(net.parameters(), 0.1)
for i in range(3):
    loss = net(torch.randn(6, 4))
    opt.zero_grad()
    loss.backward()
    opt.step()
