"""What the rules of `gradscope gate` share: where a limit stands, and how figures are written beside it."""

from __future__ import annotations

from gradscope.facts import Limits
from gradscope.finding import Location, Related


def stated(limits: Limits, *places: tuple[Location | None, str]) -> tuple[Related, ...]:
    """The known places, each line once, and then the line of the configuration."""
    known = [(where, said) for where, said in places if where is not None]
    related = {where.at: Related(where, said) for where, said in reversed(known)}
    ordered = [related.pop(where.at) for where, _ in known if where.at in related]
    if limits.stated_at is not None:
        ordered.append(Related(limits.stated_at, "the limit is stated here"))
    return tuple(ordered)


def module_name(root: str | None, path: str) -> str:
    """A module as a sentence can name it: "0" of a Sequential called net is "net.0"."""
    return f"{root}.{path}" if root and path[:1].isdigit() else path


def figure(value: float) -> str:
    """ "0", "0.001", "1e+06", "123.4": four digits."""
    return f"{value:.4g}"
