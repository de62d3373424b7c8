"""Judgement: one rule a file, each a pure function from a `Recording` to findings.

A rule file holds one function decorated with `@rule(...)`. The file's docstring is the rule's page
(`gradscope explain GS102`). A new rule is a new file in this folder and nothing else: the folder is
walked, and a test holds that every page has its headings and that both of its examples behave.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

from gradscope.facts import Recording
from gradscope.finding import Finding, Severity

Check: TypeAlias = Callable[[Recording], Iterable[Finding]]


@dataclass(frozen=True, slots=True)
class Rule:
    """A registered rule. `severity` is its usual one; a finding may bear another, with a reason."""

    code: str
    slug: str
    severity: Severity
    check: Check
    page: str

    @property
    def command(self) -> str:
        """The command that can find it: "trace", "check", or "gate", which holds a run to limits."""
        return {"GS6": "check", "GS9": "gate"}.get(self.code[:3], "trace")

    @property
    def summary(self) -> str:
        """The first line of the page."""
        return self.page.partition("\n")[0]


_registry: dict[str, Rule] = {}


def rule(code: str, slug: str, severity: Severity) -> Callable[[Check], Check]:
    """Registers a check under `code` and `slug`; its module's docstring becomes its page."""

    def register(check: Check) -> Check:
        module = inspect.getmodule(check)
        page = inspect.cleandoc((module and module.__doc__) or "")
        _registry[code] = Rule(code, slug, severity, check, page)
        return check

    return register


@cache
def all_rules() -> dict[str, Rule]:
    """Every rule by code, in code order; imports the rule files on first use."""
    for info in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{info.name}")
    return dict(sorted(_registry.items()))


def find_rule(name: str) -> Rule | None:
    """The rule with that code or slug, in any case; None where there is none."""
    wanted = name.casefold()
    return next((r for r in all_rules().values() if wanted in (r.code.casefold(), r.slug)), None)
