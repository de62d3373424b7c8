"""Analytical against numerical gradients, at any size.

    comparison = compare(point, deadline)

Everything random comes from a generator of our own with a fixed seed: a verdict is repeatable.

coordinates  tensors as vectors of real numbers       gradients    backward's side: vector-Jacobian products
probes       cotangents and directions                noise        how much forward scatters by rounding
perturbed    the rounding of each operation           widened      float64 in place of 16-bit arithmetic
directional  the difference along a direction         steps        examined at several step sizes: a verdict
bisection    from a direction to the elements         sides        kinks, jumps, infinite slopes
verdicts     one input                                entry        one entry of the Jacobian
precision    float32 inside    surrogates   deliberate    patterns     in what way a gradient is wrong
wrongs       facts for the report                     compare      all of it
"""

from gradscope.checker.numeric.compare import compare
from gradscope.checker.numeric.comparison import Comparison

__all__ = ["Comparison", "compare"]
