"""A rule's page, and the list of rules."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from gradscope.commands._explained import screen_width

if TYPE_CHECKING:
    from gradscope.rules import Rule


@dataclass(frozen=True)
class RuleTopic:
    """One rule."""

    rule: Rule
    nodes: tuple[str, ...] = ()

    def page(self, width: int) -> Iterator[str]:
        """The rule's page, with its code as it stands."""
        rule = self.rule
        summary, _, body = rule.page.partition("\n")
        title = click.style(f"{rule.code} {rule.slug}", bold=True)
        yield f"{title}  ({rule.severity.value})"
        yield from textwrap.wrap(summary, width)
        yield from _body_lines(body, width)

    def data(self) -> dict[str, str]:
        """The rule with the text of its page."""
        return rule_data(self.rule)


def rules_topics(name: str) -> list[RuleTopic]:
    """The rule of that code or name, or those whose codes begin so ("GS4"); none where there is none."""
    from gradscope.rules import all_rules, find_rule

    family = [rule for code, rule in all_rules().items() if code.casefold().startswith(name.casefold())]
    if len(family) > 1:
        return [RuleTopic(rule) for rule in family]
    rule = find_rule(name)
    return [RuleTopic(rule)] if rule is not None else []


def rule_data(rule: Rule) -> dict[str, str]:
    """A rule as JSON has it."""
    return {
        "code": rule.code,
        "rule": rule.slug,
        "severity": rule.severity.value,
        "summary": rule.summary,
        "page": rule.page,
    }


def rule_list(rules: Sequence[Rule]) -> list[str]:
    """Codes, names, severities and summaries in columns."""
    slug = max(len(rule.slug) for rule in rules)
    lines = []
    for rule in rules:
        lead = f"{rule.code}  {rule.slug:<{slug}}  {rule.severity.value:<7}  "
        lines += textwrap.wrap(
            rule.summary, screen_width(), initial_indent=lead, subsequent_indent=" " * len(lead)
        )
    return lines


def pages_speaking_of(name: str) -> list[str]:
    """What to type for the first rules whose pages have a word."""
    from gradscope.rules import all_rules

    speaking = [
        rule.code
        for rule in all_rules().values()
        if len(name) > 2 and name.casefold() in rule.page.casefold()
    ]
    return [f"gradscope explain {code}  (its page speaks of {name})" for code in speaking[:3]]


def _body_lines(body: str, width: int) -> Iterator[str]:
    """The page with its prose wrapped to `width`, and its code as it stands, without the fences."""
    paragraph: list[str] = []
    in_code = False
    for line in [*body.splitlines(), ""]:
        is_fence = line.lstrip().startswith("```")
        is_heading = bool(line) and not line[0].isspace() and not in_code
        if paragraph and (not line.strip() or is_fence or is_heading):
            yield from _wrapped(paragraph, width)
            paragraph = []
        if is_fence:
            in_code = not in_code
        elif in_code or not line.strip():
            yield line
        elif is_heading:
            yield click.style(line, bold=True)
        else:
            paragraph.append(line)


def _wrapped(paragraph: list[str], width: int) -> list[str]:
    indent = " " * (len(paragraph[0]) - len(paragraph[0].lstrip()))
    text = " ".join(line.strip() for line in paragraph)
    return textwrap.wrap(
        text,
        width,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
