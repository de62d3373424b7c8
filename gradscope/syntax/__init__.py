"""Questions about source, asked of the text as it was run, never of the disk.

A place is a line and columns; the answers are names, statements and text. Nothing is evaluated.

trees         the parsed text, statements, scopes      names       what a statement assigns and uses
assignments   where a value goes by names              expressions the expression at a place
writes        what fills a container or an array       loops       the loop around a line
choices       what decides which code runs             definitions the `def` and `class` lines
methods       what a Function's methods do             mutations   what writes into an argument
uses          what is done with each parameter         registrations operators registered by name
declarations  comments that declare an approximation
branches      what decided between two places
"""

from gradscope.syntax.assignments import feeds_itself, flows_between, line_assigning, names_fed_by
from gradscope.syntax.branches import deciding_test
from gradscope.syntax.choices import chooses, fills_tensor, returns
from gradscope.syntax.expressions import expression_at
from gradscope.syntax.loops import calls_before_loop, is_in_loop_of
from gradscope.syntax.names import assigned_names, gathered_names
from gradscope.syntax.trees import dotted, parse, statement_at
from gradscope.syntax.writes import element_writes, keeping_statements

__all__ = [
    "assigned_names",
    "calls_before_loop",
    "chooses",
    "deciding_test",
    "dotted",
    "element_writes",
    "expression_at",
    "feeds_itself",
    "fills_tensor",
    "flows_between",
    "gathered_names",
    "is_in_loop_of",
    "keeping_statements",
    "line_assigning",
    "names_fed_by",
    "parse",
    "returns",
    "statement_at",
]
