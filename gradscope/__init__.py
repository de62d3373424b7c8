"""gradscope: what happened to the gradients, line by line.

    with gradscope.trace() as t:
        ...
    print(t)

torch is imported when `trace` is first used, not when gradscope is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["__version__", "trace"]

if TYPE_CHECKING:
    from gradscope.api import trace


def __getattr__(name: str) -> Any:
    if name == "trace":
        from gradscope.api import trace

        globals()["trace"] = trace
        return trace
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
