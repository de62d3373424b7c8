"""torch's derivative formulas as torchgen reads them: a few thousand lines of YAML, in about two seconds.

torchgen is torch's own code generator. It has no promised interface, so everything is asked of it here and
nowhere else, untyped, and whatever it raises is told as FormulasMissing.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from gradscope.errors import UsageError
from gradscope.facts.formulas import Gradient, NodeFormula, Saved, SavedKind, Tangent
from gradscope.formulas.installed import FormulasMissing, Installed

_USUAL_KEY = "Default"


@dataclass(frozen=True, slots=True)
class Derivatives:
    """Every backward node with its formulas, in the order of their names, and the ops that have no node of
    their own: those `composed` of others ("cross_entropy_loss"), and those `without` a derivative ("argmax").
    """

    nodes: tuple[NodeFormula, ...]
    composed: tuple[str, ...]
    without: tuple[str, ...]


def read_derivatives(source: Installed) -> Derivatives:
    """What the installed torch knows. Raises FormulasMissing."""
    if importlib.util.find_spec("yaml") is None:
        raise FormulasMissing(
            "PyYAML is not installed, and torch's derivative formulas are written in YAML",
            try_next="python -m pip install pyyaml",
        )
    try:
        functions = _matched(source)
        nodes = dict(_nodes(functions))
        composed, without = _without_node(functions)
    except UsageError:
        raise
    except Exception as error:
        # torchgen may raise whatever it likes, and have any of its names moved.
        raise FormulasMissing(
            f"the derivative formulas of torch {source.torch} cannot be read by its own torchgen, "
            f"whose interface has no promise: {type(error).__name__}: {error}",
            try_next="gradscope doctor  shows the versions; please send them to the issue tracker",
        ) from error
    if not nodes:
        raise FormulasMissing(f"{source.derivatives} has no derivative formulas")
    return Derivatives(tuple(nodes[name] for name in sorted(nodes)), composed, without)


def _matched(source: Installed) -> list[Any]:
    """Every op of torch with what is known of its derivatives, those of foreach ops made by torchgen."""
    load = importlib.import_module("torchgen.packaged.autograd.load_derivatives")
    generator = importlib.import_module("torchgen.gen")
    autograd = importlib.import_module("torchgen.api.autograd")
    paths = str(source.functions), str(source.tags)
    known, _ = load.load_derivatives(str(source.derivatives), *paths)
    functions = generator.parse_native_yaml(*paths).native_functions
    return list(autograd.match_differentiability_info(functions, known))


def _nodes(functions: list[Any]) -> Iterator[tuple[str, NodeFormula]]:
    """(name, formulas) of every node; the op is the one that the entry of derivatives.yaml is written for."""
    makers: dict[str, list[Any]] = {}
    for matched in functions:
        for key, info in (matched.info or {}).items():
            if info.op:
                makers.setdefault(info.op, []).append((key, matched, info))
    for node, variants in makers.items():
        key, matched, info = min(variants, key=lambda one: one[1].func is not one[2].func)
        yield node, _node(node, key, info, matched, [variant[1] for variant in variants])


def _node(node: str, key: str, info: Any, matched: Any, makers: list[Any]) -> NodeFormula:
    schema = info.func.func
    others = [each.func.func for each in makers if each.func is not info.func]
    tangents = (matched.fw_derivatives or {}).get(key, ())
    with_formula = {name for each in info.derivatives for name in each.var_names}
    tensors = [each.name for each in schema.arguments.flat_non_out if each.type.is_tensor_like()]
    return NodeFormula(
        node=node,
        op=str(schema.name),
        schema=str(schema),
        gradients=tuple(_gradients(info, [each.name for each in schema.arguments.flat_non_out])),
        saved=tuple(_saved(info)),
        tangents=tuple(Tangent(tuple(each.var_names), _one_line(each.formula)) for each in tangents),
        not_differentiable=tuple(name for name in tensors if name not in with_formula),
        # An op with `out=` never leaves a node.
        also=tuple(dict.fromkeys(str(each.name) for each in others if each.kind().name != "out")),
        dispatch="" if key == _USUAL_KEY else key,
    )


def _gradients(info: Any, arguments: list[str]) -> Iterable[Gradient]:
    """The formulas as they are written, in the order of the op's arguments."""
    found = [Gradient(tuple(each.var_names), _one_line(each.original_formula)) for each in info.derivatives]
    return sorted(found, key=lambda each: min(map(arguments.index, each.inputs)))


def _saved(info: Any) -> Iterable[Saved]:
    """What the formulas use: tensors first, then properties of tensors, then plain arguments."""
    schema = info.func.func
    types = {each.name: each.type for each in schema.arguments.flat_all}
    numbers = {each.name for each in schema.returns if not each.type.is_tensor_like()}
    needed: dict[tuple[str, SavedKind], list[str]] = {}
    for derivative in info.derivatives:
        for attribute in derivative.saved_inputs:
            needed.setdefault(_input(attribute, types), []).extend(derivative.var_names)
        for attribute in derivative.saved_outputs:
            is_tensor = attribute.expr.isidentifier() and attribute.expr not in numbers
            kind = SavedKind.OUTPUT if is_tensor else SavedKind.PROPERTY
            needed.setdefault((attribute.expr, kind), []).extend(derivative.var_names)
    found = [Saved(what, kind, tuple(dict.fromkeys(names))) for (what, kind), names in needed.items()]
    order = (SavedKind.INPUT, SavedKind.OUTPUT, SavedKind.PROPERTY, SavedKind.ARGUMENT)
    return sorted(found, key=lambda each: order.index(each.kind))


def _input(attribute: Any, types: dict[str, Any]) -> tuple[str, SavedKind]:
    """What is saved of an input, or of an argument."""
    name = attribute.expr
    if name not in types:
        return name, SavedKind.PROPERTY
    if not types[name].is_tensor_like():
        return name, SavedKind.ARGUMENT
    # For zeros_like(self) torch saves no tensor: what is saved has a name of its own, self_info.
    is_whole = str(attribute.nctype.name) == name
    return (name, SavedKind.INPUT) if is_whole else (f"sizes and dtype of {name}", SavedKind.PROPERTY)


def _without_node(functions: list[Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The ops, without their overloads, that leave no node of their own: composed ones, and the others."""
    named: dict[str, list[Any]] = {}
    for matched in functions:
        named.setdefault(matched.func.func.name.name.base, []).append(matched)
    bare = {
        name: [each.func.has_composite_implicit_autograd_kernel for each in overloads]
        for name, overloads in named.items()
        if not any(info.op for each in overloads for info in (each.info or {}).values())
    }
    composed = sorted(name for name, kernels in bare.items() if any(kernels))
    return tuple(composed), tuple(sorted(set(bare) - set(composed)))


def _one_line(formula: str) -> str:
    return " ".join(formula.split())
