"""Garbage collected between steps, without searching all that was imported each time."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def only_new_garbage() -> Iterator[None]:
    """Inside it `gc.collect()` looks at what was made since, which takes milliseconds.

    What is garbage before is collected first. Where objects are frozen already, by the program or by an
    outer one of these, they are left so.
    """
    if gc.get_freeze_count():
        yield
        return
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
