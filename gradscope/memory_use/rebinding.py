"""Another function in the place of a module's forward, without a trace of it afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from torch import nn

_ABSENT: Final = object()


@contextmanager
def rebound(module: nn.Module, forward: Callable[..., Any]) -> Iterator[None]:
    """Inside it `forward` stands in the place of the module's own, whether that is the class's or its own."""
    own = vars(module)  # a plain attribute of the instance, as `module.forward = ...` would make it
    before = own.get("forward", _ABSENT)
    own["forward"] = forward
    try:
        yield
    finally:
        if before is _ABSENT:
            del own["forward"]
        else:
            own["forward"] = before
