"""How an entry of the tables is written."""

from __future__ import annotations

from gradscope.facts.formulas import PlainGradient, PlainMath


class Plain:
    """`Plain(only=...)(self="grad * other")`: the keywords are the names of the op's inputs."""

    def __init__(self, *, broadcasts: bool = False, only: str = "", **where: str) -> None:
        """`where` names parts of the expressions, each in terms of those before it."""
        self._broadcasts = broadcasts
        self._only = only
        self._where = tuple(where.items())

    def __call__(_entry, **gradients: str) -> PlainMath:  # noqa: N805  an input may be named `self`
        """The entry."""
        return PlainMath(
            tuple(PlainGradient(name, expression) for name, expression in gradients.items()),
            _entry._where,
            _entry._broadcasts,
            _entry._only,
        )


plain = Plain()
