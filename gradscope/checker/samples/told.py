"""What a backward tells of arguments that were made up, by how torch refuses what it returns.

The author knows the shapes that the function is made for, and backward is written for them: a gradient of
the shape (3,) for an input that was made up as (4, 3) says that the input is meant to be (3,).
"""

from __future__ import annotations

import re

from gradscope.checker.samples.option import Option
from gradscope.checker.samples.trials import Candidate

_SHAPE = re.compile(r"invalid gradient at index (\d+) - got \[([\d, ]*)\] but expected shape")
_NO_TENSOR = re.compile(r"returned a gradient different than None at position (\d+)")
_TENSORS = ("float", "int", "bool", "shares")


def with_told_shape(candidate: Candidate, error: str) -> Candidate | None:
    """The candidate with the shape that backward gives a gradient of; None where it tells no other."""
    found = _SHAPE.search(error)
    if found is None:
        return None
    number, sizes = int(found[1]), found[2]
    places = [place for place, option in enumerate(candidate.options) if option.what in _TENSORS]
    if number >= len(places) or places[number] == 0:
        return None
    shape = tuple(int(size) for size in sizes.split(",") if size.strip())
    return candidate.with_option(places[number], Option("float", shape))


def wants_a_tensor(candidate: Candidate, error: str) -> bool:
    """Whether backward gives a gradient for an argument that was made up as a number, or as another value."""
    found = _NO_TENSOR.search(error)
    place = int(found[1]) - 1 if found is not None else -1
    return 0 <= place < len(candidate.options) and candidate.options[place].what not in _TENSORS
