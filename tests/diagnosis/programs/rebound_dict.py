import torch

torch.manual_seed(0)

params = {"w": torch.randn(3, requires_grad=True), "b": torch.zeros(1, requires_grad=True)}
for _ in range(2):
    loss = (params["w"].sum() + params["b"]).pow(2).mean()
    loss.backward()
    params["w"] = params["w"] - 0.1 * params["w"].grad  # expect: GS104
