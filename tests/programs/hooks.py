"""The program's own hooks: on modules, tensors, nodes and accumulated gradients."""

import fingerprint
import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 12), nn.ReLU(), nn.Linear(12, 1))
seen = []


def after_forward(module, inputs, output):
    seen.append(("forward", type(module).__name__, fingerprint.digest(output)))


def scale_input(module, inputs):
    return (inputs[0] * 1.5,)


def after_backward(module, grad_inputs, grad_outputs):
    seen.append(("backward", type(module).__name__, fingerprint.digest(grad_outputs[0])))


for layer in model:
    layer.register_forward_hook(after_forward)
model[2].register_forward_pre_hook(scale_input)
model[2].register_full_backward_hook(after_backward)
model[0].weight.register_hook(lambda gradient: gradient.clamp(-0.1, 0.1))
model[4].bias.register_post_accumulate_grad_hook(lambda p: seen.append(("done", fingerprint.digest(p.grad))))

optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
x = torch.randn(16, 6)
y = x.sum(dim=1, keepdim=True)
for step in range(3):
    optimizer.zero_grad()
    prediction = model(x)
    prediction.register_hook(lambda gradient: seen.append(("tensor", fingerprint.digest(gradient))))
    prediction.grad_fn.register_prehook(lambda gradients: seen.append(("node", len(gradients))))
    loss = nn.functional.mse_loss(prediction, y)
    loss.backward()
    fingerprint.gradients(step, loss, model)
    optimizer.step()
for entry in seen:
    print(*entry)
fingerprint.parameters(model)
