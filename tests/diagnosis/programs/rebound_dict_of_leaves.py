import torch

torch.manual_seed(0)
params = {"w": torch.randn(3, requires_grad=True), "b": torch.randn(1, requires_grad=True)}
for step in range(2):
    x = torch.randn(5, 3)
    loss = (x @ params["w"] + params["b"]).pow(2).mean()
    loss.backward()
    params = {k: v - 0.1 * v.grad for k, v in params.items()}  # expect: GS104
