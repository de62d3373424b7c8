"""`gradscope explain`: a rule's page, or the list of rules."""

from __future__ import annotations

import json
import shutil
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from gradscope.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from gradscope.rules import Rule


@click.command(short_help="Show a rule's page: what it finds, why, and what to write instead.")
@click.argument("name", required=False, metavar="CODE|NAME")
@click.option("--list", "list_all", is_flag=True, help="List all rules.")
@click.option(
    "--format", "format_name", type=click.Choice(["text", "json"]), default="text", help="Default: text."
)
def command(name: str | None, list_all: bool, format_name: str) -> None:
    """Show the page of a rule, by its code (GS102) or its name (severed-gradient); GS4 lists a family."""
    from gradscope.rules import all_rules

    if list_all:
        rules = list(all_rules().values())
        text = (
            json.dumps([_as_json(rule) for rule in rules], indent=2)
            if format_name == "json"
            else _list(rules)
        )
    else:
        family = _family(name)
        found = family or [_found(name)]
        if format_name == "json":
            text = json.dumps([_as_json(each) for each in family] if family else _as_json(found[0]), indent=2)
        else:
            text = _list(family) if family else _page(found[0], _width())
    click.echo(text)


def _family(name: str | None) -> list[Rule]:
    """The rules whose codes begin as typed ("GS4"); none where that is not the beginning of several."""
    from gradscope.rules import all_rules

    if name is None:
        return []
    rules = [rule for code, rule in all_rules().items() if code.casefold().startswith(name.casefold())]
    return rules if len(rules) > 1 else []


def _found(name: str | None) -> Rule:
    from gradscope.rules import all_rules, find_rule

    if name is None:
        raise UsageError("say which rule", try_next=("gradscope explain GS102", "gradscope explain --list"))
    rule = find_rule(name)
    if rule is None:
        rules = all_rules().values()
        guess = did_you_mean(name, [spelling for other in rules for spelling in (other.code, other.slug)])
        speaking = (
            [] if guess else [other.code for other in rules if name.casefold() in other.page.casefold()]
        )
        advice = [f"gradscope explain {code}  (its page speaks of {name})" for code in speaking[:3]]
        raise UsageError(f"no rule {name}{guess}", try_next=(*advice, "gradscope explain --list"))
    return rule


def _as_json(rule: Rule) -> dict[str, str]:
    return {
        "code": rule.code,
        "rule": rule.slug,
        "severity": rule.severity.value,
        "summary": rule.summary,
        "page": rule.page,
    }


def _width() -> int:
    return min(max(shutil.get_terminal_size((80, 24)).columns, 40), 100)


def _list(rules: list[Rule]) -> str:
    slug = max(len(rule.slug) for rule in rules)
    lines = []
    for rule in rules:
        lead = f"{rule.code}  {rule.slug:<{slug}}  {rule.severity.value:<7}  "
        lines += textwrap.wrap(rule.summary, _width(), initial_indent=lead, subsequent_indent=" " * len(lead))
    return "\n".join(lines)


def _page(rule: Rule, width: int) -> str:
    summary, _, body = rule.page.partition("\n")
    title = click.style(f"{rule.code} {rule.slug}", bold=True)
    lines = [f"{title}  ({rule.severity.value})", *textwrap.wrap(summary, width), *_body_lines(body, width)]
    return "\n".join(lines)


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
