"""Facts that come with an exception: kept with it, and told at the end whether it ended the program."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from gradscope.facts import InplaceRefused
from gradscope.recorder.graph import node_label
from gradscope.recorder.places import Loc, traceback_locations
from gradscope.recorder.values import TensorValues, base_of

_MARK = "_gradscope_facts"
_MOST = 64
_REFUSALS = (
    (re.compile(r"a leaf Variable that requires grad is being used in an in-place"), "leaf"),
    (re.compile(r"a view of a leaf Variable that requires grad is being used in an in-place"), "leaf-view"),
    (
        re.compile(
            r"is a view and (?:is being|its base or another view|has been) ?.*modified in-?place", re.S
        ),
        "view",
    ),
    (
        re.compile(
            r"view was created in|output of a function that returns multiple views|creating views and"
        ),
        "view",
    ),
)


class Failures:
    """The facts by kind, each marked on its exception."""

    def __init__(
        self, values: TensorValues, name_of: Callable[[Any], str | None], source: Callable[[str], str]
    ) -> None:
        self._values = values
        self._name_of = name_of
        self.source = source
        self._facts: list[tuple[str, Any]] = []
        self._ended: set[int] = set()

    def add(self, kind: str, fact: Any, error: BaseException) -> None:
        """Keeps a fact, and marks the exception with it."""
        if len(self._facts) >= _MOST:
            return
        marks = getattr(error, _MARK, None)
        if marks is None:
            marks = []
            setattr(error, _MARK, marks)
        marks.append(len(self._facts))
        self._facts.append((kind, fact))

    def refused(self, op: str, args: Sequence[Any], loc: Loc, error: BaseException) -> None:
        """An op raised: was it an in-place op that autograd forbids?"""
        message = str(error)
        kind = next((k for pattern, k in _REFUSALS if pattern.search(message)), None)
        if kind is None or getattr(error, _MARK, None):
            return
        tensor = next((a for a in args if isinstance(a, Tensor)), None)
        base = base_of(tensor) if tensor is not None else None
        value = self._values.peek(tensor) if tensor is not None else None
        view = value.loc.location() if value is not None and kind != "leaf" else None
        subject = base if kind == "leaf-view" and base is not None else tensor
        view_op = None
        if kind == "view" and tensor is not None and tensor.grad_fn is not None:
            view_op = value.op if value is not None else node_label(tensor.grad_fn)
        fact = InplaceRefused(
            kind,
            op,
            loc.location(),
            message,
            self._name_of(subject) if subject is not None else None,
            view_op,
            view,
        )
        self.add("inplace_refused", fact, error)

    def ended_by(self, error: BaseException) -> None:
        """The program died of this exception: the facts marked on it, or on its causes, ended it."""
        seen: set[int] = set()
        cause: BaseException | None = error
        while cause is not None and id(cause) not in seen:
            seen.add(id(cause))
            self._ended.update(getattr(cause, _MARK, ()))
            cause = cause.__cause__ or cause.__context__

    def last_location(self, error: BaseException) -> Any:
        """The innermost line of the program in an exception's traceback."""
        places = traceback_locations(error.__traceback__)
        return places[-1] if places else None

    def facts(self, kind: str) -> tuple[Any, ...]:
        """The facts of one kind, with `ended_program` set."""
        return tuple(
            dataclasses.replace(fact, ended_program=index in self._ended)
            for index, (k, fact) in enumerate(self._facts)
            if k == kind
        )
