"""torch.library.opcheck, for custom ops: schema, autograd registration, fake tensors, AOT dispatch."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from gradscope.checker.cases import Setting, case, failed, not_applicable, not_checked, passed
from gradscope.checker.cases._forms import quiet
from gradscope.checker.raised import raised
from gradscope.facts.checks import NO_TIME, Facts, SubjectKind
from gradscope.loader.generators import seeded

NAME = "opcheck"
_SECONDS = 3.0
"""About what its four tests take with their imports."""
_NO_FAKE = ("no fake impl", "no fake implementation", "register_fake", "no meta")


@case(NAME, 90)
def opchecked(setting: Setting) -> Facts:
    """Each test that fails is named with its first line; a missing fake implementation is no fault here."""
    if setting.subject.kind is not SubjectKind.CUSTOM_OP:
        return not_applicable(NAME, "it is no custom op")
    if setting.deadline.left() < _SECONDS:
        return not_checked(NAME, f"{NO_TIME} (it needs about {_SECONDS:.0f} s)")
    point = setting.point
    leaves = [
        leaf.requires_grad_() if isinstance(leaf, Tensor) and index in point.active else leaf
        for index, leaf in enumerate(point.fresh())
    ]
    args, kwargs = pytree.tree_unflatten(leaves, point.spec)
    try:
        with silent(), seeded():
            op: Any = setting.subject.call
            outcomes: dict[str, Any] = dict(torch.library.opcheck(op, args, kwargs, raise_exception=False))
    except Exception as error:  # noqa: BLE001  it calls the user's op
        return not_checked(NAME, raised(error))
    failures = {name: one for name, one in outcomes.items() if isinstance(one, BaseException)}
    faults = {name: raised(one) for name, one in failures.items() if not _lacks_fake(one)}
    if faults:
        notes = [f"opcheck {name}: {message}" for name, message in faults.items()]
        return Facts(failed(NAME, f"{len(faults)} of {len(outcomes)}: {notes[0]}"), notes=notes)
    if failures:
        return not_applicable(NAME, "no fake implementation is registered, so torch.compile cannot trace it")
    return passed(NAME, f"{len(outcomes)} tests")


def _lacks_fake(error: BaseException) -> bool:
    text = str(error).lower()
    return any(words in text for words in _NO_FAKE)


@contextmanager
def silent() -> Iterator[None]:
    """Nothing is printed, warned of or logged."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with quiet(), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(before)
