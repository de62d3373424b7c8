"""torch.func: per-sample gradients, Jacobians, Hessians, jvp, and training by functional_call."""

import fingerprint
import torch
from torch import nn
from torch.func import functional_call, grad, grad_and_value, hessian, jacfwd, jacrev, jvp, vjp, vmap

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))
weights = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
x, y = torch.randn(6, 4), torch.randn(6, 2)


def loss_of(weights, x, y):
    return (functional_call(model, weights, (x,)) - y).square().sum()


for step in range(3):
    gradient, loss = grad_and_value(loss_of)(weights, x, y)
    for name, value in gradient.items():
        print(f"step {step} gradient {name} {fingerprint.digest(value)}")
    weights = {name: value - 0.01 * gradient[name] for name, value in weights.items()}
    print(f"step {step} loss {fingerprint.digest(loss)}")

for name, value in vmap(grad(loss_of), in_dims=(None, 0, 0))(weights, x, y).items():
    print("per sample", name, fingerprint.digest(value))
point = torch.randn(4)
field = lambda v: functional_call(model, weights, (v,))  # noqa: E731
print("jacrev", fingerprint.digest(jacrev(field)(point)))
print("jacfwd", fingerprint.digest(jacfwd(field)(point)))
print("hessian", fingerprint.digest(hessian(lambda v: field(v).square().sum())(point)))
print("jvp", fingerprint.digest(jvp(field, (point,), (torch.ones(4),))[1]))
print("vjp", fingerprint.digest(vjp(field, point)[1](torch.ones(2))[0]))
fingerprint.parameters(weights.items())
