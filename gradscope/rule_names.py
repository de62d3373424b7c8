"""Names of rules as people write them: codes (GS102), beginnings of codes (GS1) and slugs, in any case."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from gradscope.errors import UsageError, did_you_mean
from gradscope.rules import all_rules

_BEGINNING = re.compile(r"gs\d*")


def codes_of(name: str) -> frozenset[str]:
    """The codes of the rules that a name means, empty where it means none."""
    wanted = name.strip().casefold()
    is_beginning = _BEGINNING.fullmatch(wanted) is not None
    return frozenset(
        code
        for code, rule in all_rules().items()
        if wanted == rule.slug or (is_beginning and code.casefold().startswith(wanted))
    )


def rule_names(
    option: str, values: Iterable[str], *, where: Sequence[str] = (), advice: Sequence[str] = ()
) -> tuple[str, ...]:
    """The names in the values of an option, each of which may be a comma list, without repetitions.

    Raises UsageError for one that matches no rule; `option`, `where` and `advice` are its words.
    """
    listed = [values] if isinstance(values, str) else values
    names = [name for value in listed for name in re.split(r"[,\s]+", value) if name]
    for name in names:
        if not codes_of(name):
            raise UsageError(
                f"{option} {name}: no such rule{nearest_rules(name)}",
                where=where,
                try_next=("gradscope explain --list", *advice),
            )
    return tuple(dict.fromkeys(names))


def nearest_rules(name: str) -> str:
    """`; did you mean GS102?`, or nothing, for a name that means no rule."""
    rules = all_rules()
    return did_you_mean(name, [*rules, *(rule.slug for rule in rules.values())])
