"""From what is typed to what is explained: a rule, nodes of the installed torch, a custom Function."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from gradscope.commands._explain_node import NodesTopic, NodeTopic
from gradscope.commands._explain_rule import RuleTopic, pages_speaking_of, rules_topics
from gradscope.commands._explain_source import SourceTopic, no_name, source_in, source_topic
from gradscope.commands._explained import Topic
from gradscope.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from gradscope.facts.graph import AutogradGraph
    from gradscope.formulas.table import Table


def topics_of(name: str, path: str | None = None) -> list[Topic]:
    """What is meant by a name, [] where nothing is. `path` is a file whose custom Functions come first.

    Raises UsageError for what can only be a rule, and is none, and for a file or module that cannot be read
    or has no such Function; FormulasMissing where the installed torch's formulas cannot be had.
    """
    rules: list[Topic] = [*rules_topics(name)]
    if rules:
        return rules
    if _LIKE_A_RULE.match(name):
        raise unknown_rule(name)
    if ":" in name.replace("::", ""):
        return [source_topic(name)]
    if name.endswith(".py") or os.path.isfile(name):
        raise no_name(name)
    own = source_in(path, name) if path is not None else None
    return [own] if own is not None else _nodes(name)


def topics_in(graph: AutogradGraph, name: str) -> list[Topic]:
    """What a name means in the graph of a program that was run: a custom Function."""
    for node in graph.nodes:
        if node.definition < 0:
            continue
        definition = graph.definitions[node.definition]
        if name in (node.name, definition.name) and definition.location is not None:
            own = source_in(definition.location.path, definition.name)
            own = own or source_in(definition.location.path, node.name)
            return [own] if own is not None else []
    return []


def names_in(graph: AutogradGraph) -> tuple[str, ...]:
    """The names that a graph adds to those of torch: nodes, and the Functions that leave them."""
    named = {node.name for node in graph.nodes} | {each.name for each in graph.definitions}
    return tuple(sorted(named))


def is_rule(topics: Sequence[Topic]) -> bool:
    """Whether rules are explained."""
    return bool(topics) and isinstance(topics[0], RuleTopic)


def is_source(topics: Sequence[Topic]) -> bool:
    """Whether a custom Function or op is explained."""
    return bool(topics) and isinstance(topics[0], SourceTopic)


def unknown(name: str, others: tuple[str, ...] = ()) -> UsageError:
    """What to say of a name that means nothing: what is most like it, and where else it is spoken of.

    `others` are names that the program's graph has.
    """
    from gradscope.formulas.names import composed_names, folded, op_names
    from gradscope.formulas.table import table

    known = table()
    nodeless = {folded(op): op for op in (*known.composed, *known.without)}
    op = nodeless.get(folded(name), "")
    if op in known.without:
        what = f"torch has no derivative of {op}, so it leaves no node"
        return UsageError(what, try_next=[*pages_speaking_of(name), _ALL_NODES])
    if op:
        return UsageError(
            f"{op} is made of other ops and leaves no node of its own",
            try_next=["gradscope graph TARGET  shows which nodes it leaves", _ALL_NODES],
        )
    ops = [*op_names(known.nodes.values()), *composed_names(known.composed)]
    nodes = [*known.nodes, *dict.fromkeys(ops), *others]
    advice = [_ALL_RULES, _ALL_NODES]
    if name.endswith("Backward"):
        advice.insert(0, f"gradscope explain {name} FILE.py  where a Function of your own leaves it")
    return _no_such("rule, node or op", name, nodes, advice)


def unknown_rule(name: str) -> UsageError:
    """What to say of what can only be a rule, and is none."""
    return _no_such("rule", name, (), [_ALL_RULES])


_ALL_RULES = "gradscope explain --list"
_ALL_NODES = "gradscope explain --list nodes"
_LIKE_A_RULE = re.compile(r"gs\d+\Z|[a-z]+(-[a-z]+)+\Z", re.IGNORECASE)


def _no_such(kind: str, name: str, others: Iterable[str], advice: list[str]) -> UsageError:
    from gradscope.rules import all_rules

    rules = [spelling for rule in all_rules().values() for spelling in (rule.code, rule.slug)]
    guess = did_you_mean(name, [*rules, *others])
    pages = [] if guess else pages_speaking_of(name)
    return UsageError(f"no {kind} {name}{guess}", try_next=[*pages, *advice])


def _nodes(name: str) -> list[Topic]:
    from gradscope.formulas.names import nodes_named
    from gradscope.formulas.table import formula_of, table

    known = table()
    found = nodes_named(name, known.nodes)
    if not found:
        formula = formula_of(name)
        return [] if formula is None else [NodeTopic(formula, known.torch)]
    topics = tuple(_topic(node, known) for node in found)
    return [topics[0]] if len(topics) == 1 else [NodesTopic(name, topics, _is_composed(name))]


def _is_composed(name: str) -> bool:
    from gradscope.formulas.composed import COMPOSED
    from gradscope.formulas.names import folded

    return bool({folded(name), folded(name).removesuffix("loss")} & set(COMPOSED))


def _topic(node: str, known: Table) -> NodeTopic:
    from gradscope.formulas.by_hand import SOURCES

    return NodeTopic(known.nodes[node], known.torch, SOURCES.get(node, ""))
