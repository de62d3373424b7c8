"""The graph that autograd builds: nodes, edges, leaves, constants.

    gradscope trace examples/graph.py

Look for: every node named here is a row of the table. AccumulateGrad stands for a leaf; the
constant c is in no edge, because nobody asked for its gradient.
"""

import torch

a = torch.tensor(2.0, requires_grad=True)
b = torch.tensor(3.0, requires_grad=True)
c = torch.tensor(10.0)
d = a * b
e = d + c

todo = [(e.grad_fn, 0)]
while todo:
    node, depth = todo.pop()
    print("  " * depth + node.name())
    todo += [(inner, depth + 1) for inner, _ in node.next_functions if inner is not None]

for name, tensor in {"a": a, "c": c, "d": d, "e": e}.items():
    print(name, "leaf" if tensor.is_leaf else "not a leaf", tensor.requires_grad)

e.backward()
print(a.grad.item(), b.grad.item(), c.grad)
