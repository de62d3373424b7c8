"""How many evaluations a gradient takes: one each for N inputs, or two in all.

    gradscope check examples/checks/passes.py:many_to_one --input 'linspace(0, 1, 50)'
    gradscope check examples/checks/passes.py:few_to_many --input 'tensor([1.0, 2.0, 3.0])'

Look for: 50 inputs and one output take 51 evaluations one-sided, 50 in forward mode and 1 + 1 in
reverse mode. Three inputs and 300 outputs take 3 in forward mode and 1 + 300 in reverse mode.
"""


def many_to_one(x):
    return (x**2).sum()


def few_to_many(x):
    return x.repeat(100).sin()
