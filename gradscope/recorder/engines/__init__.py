"""Reads the graphs of micrograd-style engines: classes of the program's own, one number a node.

A class is taken for one by its names: `data`, `grad`, `_prev` and a method `backward`. Nothing of it is
called but what the program calls; values, operands and gradients are read around its `backward`.

classes     which classes are engines            doors   how we learn of new values and of a backward
found       the engines of a program             births  the line that made each value
reading     values, operands, local derivatives  naming  what the program calls a value
tables      the chain-rule tables                graph   the graph as a fact
comparison  what differs from the chain rule     watch   all of it, around each backward
"""
