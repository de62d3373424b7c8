"""What silences findings: a rule that is ignored, a file in which it is, a comment on a line.

A silencer is asked once about each finding, in the order of the lines, and answers by what it is silenced.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from typing import TypeAlias

from gradscope.facts import Recording
from gradscope.finding import Finding, Location
from gradscope.patterns import PathPattern
from gradscope.rule_names import codes_of, nearest_rules
from gradscope.rules import all_rules

Silencer: TypeAlias = Callable[[Finding, Recording], str | None]

_COMMENT = re.compile(r"#\s*gradscope:\s*ignore(?:\s*\[([^\]]*)\])?", re.IGNORECASE)


def by_rule(names: Iterable[str], by: str) -> Silencer:
    """Silences the rules of these names; `{}` in `by` stands for the name that means the rule."""
    ignored = {code: name for name in names for code in codes_of(name)}

    def silencer(finding: Finding, recording: Recording) -> str | None:
        return by.replace("{}", ignored[finding.code]) if finding.code in ignored else None

    return silencer


def in_files(pattern: PathPattern, names: Iterable[str], by: str) -> Silencer:
    """Silences the rules of these names where the finding's own place is in a file that the pattern means."""
    ignored = {code for name in names for code in codes_of(name)}

    def silencer(finding: Finding, recording: Recording) -> str | None:
        if finding.location is None or finding.code not in ignored:
            return None
        return by if pattern.matches(finding.location.path) else None

    return silencer


def by_comment(finding: Finding, recording: Recording) -> str | None:
    """ "inline comment" where a line that the finding names says so."""
    locations = [finding.location, *(related.location for related in finding.related)]
    silenced = any(
        finding.code in _ignored_on(line) for where in locations if where for line in _lines(where, recording)
    )
    return "inline comment" if silenced else None


def mistyped_comments(findings: Iterable[Finding], recording: Recording) -> list[str]:
    """A sentence for each comment on a finding's own line that is to silence it and names no rule."""
    said = {}
    for place in (finding.location for finding in findings):
        for line in _lines(place, recording) if place else ():
            for name in _named_on(line):
                if name and not codes_of(name):
                    at = f"{os.path.basename(place.path)}:{place.line}" if place else ""
                    said[at, name] = (
                        f"{at}: ignore[{name}] silences nothing: no such rule{nearest_rules(name)}"
                    )
    return list(said.values())


def _lines(location: Location, recording: Recording) -> tuple[str, ...]:
    source = recording.sources.get(location.path, ())
    return tuple(source[location.line - 1 : max(location.end_line or 0, location.line)])


def _ignored_on(line: str) -> set[str]:
    if any(match.group(1) is None for match in _COMMENT.finditer(line)):
        return set(all_rules())
    return {code for name in _named_on(line) for code in codes_of(name)}


def _named_on(line: str) -> list[str]:
    """The names that comments on a line give."""
    return [name.strip() for match in _COMMENT.finditer(line) for name in (match.group(1) or "").split(",")]
