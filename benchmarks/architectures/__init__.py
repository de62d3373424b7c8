"""Small programs for benchmarks/roc.py: healthy ones of many kinds, bugged ones with their rule.

No gradient of a healthy one vanishes or explodes as a bug would make it: the model trains well, or as well
as its published kind does. Each takes no argument and is run after `torch.manual_seed(seed)`.
"""

from architectures import (
    attention,
    exploding,
    generative,
    images,
    plain,
    runs,
    science,
    sequences,
    several,
    vanishing,
)
from architectures.training import BUGGED, HEALTHY

__all__ = [
    "BUGGED",
    "HEALTHY",
    "attention",
    "exploding",
    "generative",
    "images",
    "plain",
    "runs",
    "science",
    "sequences",
    "several",
    "vanishing",
]
