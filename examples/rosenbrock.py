"""Optimisation: the bottom of Rosenbrock's valley, by gradient and curvature.

    gradscope trace examples/rosenbrock.py

Look for: each turn differentiates twice. The first call keeps a graph of the gradient, and the rows of the
Hessian come from it; the minimum is at (1, 1).
"""

import torch

x = torch.tensor([-1.2, 1.0], dtype=torch.float64, requires_grad=True)
for turn in range(7):
    value = (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2
    (slope,) = torch.autograd.grad(value, x, create_graph=True)
    hessian = torch.stack([torch.autograd.grad(part, x, retain_graph=True)[0] for part in slope])
    with torch.no_grad():
        x -= torch.linalg.solve(hessian, slope)
    print(f"turn {turn}   value {value.item():.6f}   x {[round(v, 4) for v in x.tolist()]}")
