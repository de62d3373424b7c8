"""Derivative formulas by the name of a backward node, out of the installed torch's own `derivatives.yaml`.

Torch is not imported: torchgen, which ships with it, reads the file, and what it reads is kept in the
user's cache folder. torchgen promises no interface, so whatever is missing there is told as FormulasMissing.

installed   which torch, and where its files lie      derivatives  what torchgen reads
cache       what was read before, on disk             names        from what is typed to nodes
by_hand     nodes without an entry, and why           composed     functions made of other ops
math        plain mathematics, ours                   table        all of it by name
sources     custom Functions by their text
"""

from gradscope.formulas.installed import FormulasMissing
from gradscope.formulas.table import formula_of

__all__ = ["FormulasMissing", "formula_of"]
