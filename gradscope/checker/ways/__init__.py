"""A small function, differentiated in every way there is, and drawn.

table      symbolic, numerical, forward mode, reverse mode side by side (jacobians, symbolic, formulas,
           recorded_formula)
against    a derivative written by hand (by_hand)         curves   --sweep x=-3:3
"""
