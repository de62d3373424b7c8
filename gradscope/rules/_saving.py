"""What to write in place of `ctx.x = x`: the call of `save_for_backward`, and the line of backward."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gradscope import syntax
from gradscope.facts import Recording
from gradscope.facts.checks import CheckedFunction, ContextTensor
from gradscope.finding import Location
from gradscope.rules._checked import backward_place, bare_name, source
from gradscope.syntax import definitions

_SAME = ("detach", "data", "clone")


@dataclass(frozen=True, slots=True)
class Saved:
    """`given` is the argument of `save_for_backward`, `name` what to call it in backward: both "x", or
    "inputs[0]" and "x", or "*xs" and "*xs".
    """

    given: str
    name: str


def saving(recording: Recording, checked: CheckedFunction, attributes: Sequence[ContextTensor]) -> str:
    """The fix for these attributes, one fact of each."""
    found = [one for fact in attributes for one in _saved(recording, checked, fact)]
    saved = list(dict.fromkeys(found))
    names = list(dict.fromkeys(one.name for one in saved))
    backward = backward_place(checked)
    at = f" at line {backward.line}" if backward is not None else ""
    before = _saved_already(recording, attributes[0].location)
    call = f"`ctx.save_for_backward({', '.join([*before, *(one.given for one in saved)])})`"
    if before:
        taken = " and ".join(f"`{name}`" for name in names)
        return f"{call} and, in the backward{at}, take {taken} from the end of `ctx.saved_tensors`"
    if len(names) == 1:
        back = names[0][1:] if names[0].startswith("*") else f"({names[0]},)"
    else:
        back = ", ".join(names)
    return f"{call} and, in the backward{at}, `{back} = ctx.saved_tensors`"


def _saved(recording: Recording, checked: CheckedFunction, fact: ContextTensor) -> Iterator[Saved]:
    """What one attribute holds, as it is written in the program."""
    held = list(dict.fromkeys(f.holds for f in checked.context_tensors if f.attribute == fact.attribute))
    known = _input_name(fact.holds) or fact.attribute
    value, place = _assigned(recording, fact)
    if isinstance(value, ast.Name) and value.id == _arguments_name(recording, fact.location):
        order = _forward_names(recording, checked)
        for holds in held:
            name = _input_name(holds)
            index = place if place is not None else order.index(name) if name in order else None
            yield Saved(f"{value.id}[{index}]" if index is not None else f"*{value.id}", name or known)
    elif isinstance(value, ast.Tuple | ast.List | ast.Dict) and place is None:
        parts = value.values if isinstance(value, ast.Dict) else value.elts
        texts = [ast.unparse(part) for part in parts]
        if len(texts) != len(held):  # a number or a size is among them
            texts = [text for text in texts if text in {_input_name(holds) for holds in held}] or [known]
        yield from (Saved(text, text if text.isidentifier() else known) for text in texts)
    elif len(held) > 1:
        name = value.id if isinstance(value, ast.Name) else fact.attribute
        yield Saved(f"*{name}", f"*{name}")
    elif isinstance(value, ast.Name):
        yield Saved(f"{value.id}[{place}]", known) if place is not None else Saved(value.id, value.id)
    elif isinstance(value, ast.expr) and place is None and _root(value) != known:
        yield Saved(ast.unparse(value), known)
    else:
        yield Saved(known, known)


def _assigned(recording: Recording, fact: ContextTensor) -> tuple[ast.expr | None, int | None]:
    """The expression that the attribute is given, and its place in it where a tuple is unpacked."""
    for target, value in _assignments(recording, fact.location):
        if _is_attribute(target, fact.attribute):
            return value, None
        if isinstance(target, ast.Tuple | ast.List):
            places = [n for n, each in enumerate(target.elts) if _is_attribute(each, fact.attribute)]
            if places and not any(isinstance(each, ast.Starred) for each in target.elts):
                if isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(target.elts):
                    return value.elts[places[0]], None
                return value, places[0]
    return None, None


def _assignments(
    recording: Recording, location: Location | None
) -> Iterator[tuple[ast.expr, ast.expr | None]]:
    if location is None:
        return
    for node in _nodes(recording, location):
        if isinstance(node, ast.Assign) and node.lineno <= location.line <= (node.end_lineno or node.lineno):
            yield from ((target, node.value) for target in node.targets)


def _is_attribute(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == name


def _root(value: ast.expr) -> str:
    """ "x" for `x`, `x.detach()` and `x.data`; "" for what is not the same values."""
    while isinstance(value, ast.Call | ast.Attribute):
        if isinstance(value, ast.Attribute) and value.attr not in _SAME:
            return ""
        value = value.func if isinstance(value, ast.Call) else value.value
    return value.id if isinstance(value, ast.Name) else ""


def _input_name(holds: str) -> str:
    """ "x" for "input x" and "input x[0]"; "" for what has no name."""
    kind, _, name = holds.partition(" ")
    name = name.partition("[")[0] if kind == "input" else ""
    return name if name.isidentifier() and name != "args" else ""


def _enclosing(recording: Recording, location: Location | None) -> ast.FunctionDef | None:
    """The definition around a place."""
    around = [
        node
        for node in _nodes(recording, location)
        if isinstance(node, ast.FunctionDef)
        and location is not None
        and node.lineno <= location.line <= (node.end_lineno or node.lineno)
    ]
    return max(around, key=lambda node: node.lineno, default=None)


def _nodes(recording: Recording, location: Location | None) -> Iterator[ast.AST]:
    tree = syntax.parse(source(recording, location)) if location is not None else None
    return ast.walk(tree) if tree is not None else iter(())


def _arguments_name(recording: Recording, location: Location | None) -> str:
    """The parameter of `setup_context` that holds the arguments of forward, "" anywhere else."""
    around = _enclosing(recording, location)
    if around is None or around.name != "setup_context":
        return ""
    named = [each.arg for each in (*around.args.posonlyargs, *around.args.args)]
    return named[1] if len(named) > 1 else ""


def _forward_names(recording: Recording, checked: CheckedFunction) -> list[str]:
    """The names of forward's parameters, in order."""
    where = checked.forward
    if where is None:
        return []
    node = definitions.function_at(source(recording, where), where.line, bare_name(where))
    return [each.arg for each in (*node.args.posonlyargs, *node.args.args)] if node is not None else []


def _saved_already(recording: Recording, location: Location | None) -> list[str]:
    """The arguments of the `save_for_backward` that stands in the same function."""
    around = _enclosing(recording, location)
    calls = [node for node in ast.walk(around) if isinstance(node, ast.Call)] if around is not None else []
    for call in calls:
        if isinstance(call.func, ast.Attribute) and call.func.attr == "save_for_backward":
            return [ast.unparse(argument) for argument in call.args]
    return []
