"""What the doors of both kinds of checkpoints need: where one was called, and what it is that it runs."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any, TypeAlias

from torch import nn

from gradscope.recorder.checkpoints.region import Region
from gradscope.recorder.now import Now
from gradscope.recorder.places import Loc, intern_loc, user_frame

# From the call, the function, whether it is reentrant and whether it preserves the state of random numbers:
# what is to be compared, None where nothing is.
Opened: TypeAlias = Callable[[Loc, str, bool, bool], Region | None]

_MOST_DEPTH = 8  # of functions in each other


def calling_place(now: Now) -> Loc:
    """The line of the program that called what called this."""
    return intern_loc(user_frame(sys._getframe(2)), now.module, now.root_call)


def name_of(function: Any) -> str:
    """What is checkpointed, in a word: the class of a module, the name of a function."""
    for _ in range(_MOST_DEPTH):
        if isinstance(function, functools.partial):
            function = function.func
        elif isinstance(getattr(function, "__self__", None), nn.Module):
            return type(function.__self__).__name__
        else:
            break
    if isinstance(function, nn.Module):
        return type(function).__name__
    name = getattr(function, "__qualname__", None) or type(function).__name__
    return str(name).rpartition("<locals>.")[2]
