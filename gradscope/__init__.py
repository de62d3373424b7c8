"""gradscope: what happened to the gradients, line by line.

    with gradscope.trace() as t:
        ...
    print(t)

    assert gradscope.check(Softmax, x)

    gradscope.graph(model, batch).save("model.html")

    print(gradscope.memory(model, batch, budget="8GiB"))

torch is imported when one of them is first used, not when gradscope is.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["__version__", "check", "graph", "memory", "trace"]

if TYPE_CHECKING:
    from gradscope.api import trace
    from gradscope.api_check import check
    from gradscope.api_graph import graph
    from gradscope.api_memory import memory

_HOMES = {
    "check": "gradscope.api_check",
    "graph": "gradscope.api_graph",
    "memory": "gradscope.api_memory",
    "trace": "gradscope.api",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(home), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
