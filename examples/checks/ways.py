"""Symbolic, numerical and automatic differentiation, side by side.

    gradscope check examples/checks/ways.py:line --input 'tensor(3.0)'
    gradscope check examples/checks/ways.py:waves --input 'tensor(0.5)'

Look for: the closed form; the error of the numerical derivative, which falls with its step and rises
again from rounding; forward and reverse mode, which are exact to the last digit.
"""

import torch


def line(x):
    return 3 * x**2 + 5 * x


def waves(x):
    return torch.sin(torch.exp(x**2))
