"""`gradscope explain --list`: the rules, the nodes, or what has a word in its name."""

from __future__ import annotations

import json
from dataclasses import asdict

from gradscope.commands._explain_rule import rule_data, rule_list
from gradscope.errors import UsageError


def listed(name: str | None, *, as_json: bool) -> str:
    """The text of the list. Raises UsageError where nothing has the word in its name."""
    from gradscope.rules import all_rules

    rules = list(all_rules().values())
    if name is None or name == "rules":
        return (
            json.dumps([rule_data(rule) for rule in rules], indent=2) if as_json else _text(rule_list(rules))
        )
    from gradscope.formulas.table import table

    nodes = list(table().nodes.values())
    if name != "nodes":
        word = name.casefold()
        rules = [rule for rule in rules if word in f"{rule.code} {rule.slug}".casefold()]
        nodes = [node for node in nodes if word in f"{node.node} {node.op}".casefold()]
        if not rules and not nodes:
            raise UsageError(f"nothing has {name} in its name", try_next="gradscope explain --list nodes")
    else:
        rules = []
    if as_json:
        return json.dumps([*map(rule_data, rules), *map(asdict, nodes)], indent=2)
    widest = max((len(node.node) for node in nodes), default=0)
    lines = [f"{node.node:<{widest}}  {node.op or node.reason.partition(':')[0]}" for node in nodes]
    return _text([*(rule_list(rules) if rules else []), *lines])


def _text(lines: list[str]) -> str:
    return "\n".join(line.rstrip() for line in lines)
