"""The gradients of common ops in plain mathematics, by the name of their node: ours, not torch's text.

An expression is Python: `grad` and `grads` are the incoming gradients, the names of inputs, arguments and
outputs are those of the op's schema, functions are torch's. The suite evaluates every one of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gradscope.facts.formulas import PlainMath
from gradscope.formulas.math.activations import ACTIVATIONS
from gradscope.formulas.math.elementwise import ELEMENTWISE
from gradscope.formulas.math.layers import LAYERS
from gradscope.formulas.math.losses import LOSSES
from gradscope.formulas.math.moves import MOVES
from gradscope.formulas.math.pairs import PAIRS
from gradscope.formulas.math.products import PRODUCTS
from gradscope.formulas.math.reductions import REDUCTIONS

PLAIN_MATH: Final[Mapping[str, PlainMath]] = {
    **ELEMENTWISE,
    **PAIRS,
    **ACTIVATIONS,
    **REDUCTIONS,
    **PRODUCTS,
    **LOSSES,
    **LAYERS,
    **MOVES,
}
