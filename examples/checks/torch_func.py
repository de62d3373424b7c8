"""torch.func's gradients and Jacobians, and the same functions under check.

    gradscope check examples/checks/torch_func.py:cubes --input 'tensor([1.0, 2.0, 3.0])'
    gradscope check examples/checks/torch_func.py:pair --input 'tensor([2.0, 3.0])'

Look for: ok, in forward mode and in reverse mode. grad gives [3, 12, 27] and jacrev
[[4, 1], [3, 2]], which is what the closed forms say at these inputs.
"""

import torch


def cubes(x):
    return (x**3).sum()


def pair(x):
    return torch.stack([x[0] ** 2 + x[1], x[0] * x[1]])


if __name__ == "__main__":
    print(torch.func.grad(cubes)(torch.tensor([1.0, 2.0, 3.0])).tolist())
    print(torch.func.jacrev(pair)(torch.tensor([2.0, 3.0])).tolist())
