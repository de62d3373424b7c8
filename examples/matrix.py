"""The chain rule beyond scalars: y = W x + b with W (2, 3), x (3, 1), b (2, 1).

    gradscope trace examples/matrix.py

Look for: shapes and norms where the scalar tables have numbers. With g the gradient of y,
dW = g @ x.T has the shape of W, dx = W.T @ g the shape of x, db = g the shape of b.
"""

import torch

W = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], requires_grad=True)
x = torch.tensor([[1.0], [0.0], [-1.0]], requires_grad=True)
b = torch.tensor([[0.5], [-0.5]], requires_grad=True)

y = W @ x + b
g = torch.tensor([[1.0], [2.0]])
y.backward(gradient=g)

print(torch.equal(W.grad, g @ x.detach().T))
print(torch.equal(x.grad, W.detach().T @ g))
print(torch.equal(b.grad, g))
print(W.grad.tolist(), x.grad.tolist())
