"""From what is typed to the nodes that are meant: a node's name, with its number or without, or an op's."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from gradscope.facts.formulas import NodeFormula
from gradscope.formulas.composed import COMPOSED

_NAMESPACE = "torch::autograd::"
_PRINTED = re.compile(r"(?:grad_fn=)?<(?P<name>[\w:]+)(?: object at 0x[0-9a-fA-F]+)?>\Z")
_PREFIX = re.compile(
    r"(?:torch\.ops\.aten\.|aten::|aten\.|torch\.nn\.functional\.|nn\.functional\.|torch\.nn\.|torch\.Tensor\."
    r"|torch\.special\.|torch\.|Tensor\.|nn\.|F\.|special\.)"
)
_NUMBER = re.compile(r"\d+\Z")
_OPERATORS = {"+": "add", "-": "sub", "*": "mul", "/": "div", "**": "pow", "@": "matmul", "%": "remainder"}
_FOLDED_AWAY = ("native", "special")
_ENDINGS = ("forward", "loss")


def label(name: str) -> str:
    """A node's name as torch gives it, without the C++ namespace or the brackets that it is printed in."""
    found = _PRINTED.match(name.strip())
    return (found["name"] if found else name.strip()).removeprefix(_NAMESPACE)


def folded(name: str) -> str:
    """A name without what spellings differ in: `torch.`, capitals, underscores, dots, parentheses."""
    bare = _PREFIX.sub("", name.strip().removesuffix("()"), count=1)
    return _OPERATORS.get(bare, bare.replace("_", "").replace(".", "").casefold())


def nodes_named(text: str, nodes: Mapping[str, NodeFormula]) -> tuple[str, ...]:
    """The names of the nodes that are meant; () where there is none.

    In this order: the node of that name, in any case; the nodes of that name with any number; the nodes of
    the op with that overload ("mul.Tensor"), or of that name; those that a composed function leaves.
    """
    typed = label(text)
    if typed in nodes:
        return (typed,)
    small = typed.casefold()
    same = [name for name in nodes if name.casefold() == small]
    numbered = [name for name in nodes if _NUMBER.sub("", name).casefold() == small]
    overload = _PREFIX.sub("", text.strip(), count=1)
    exact = [each.node for each in nodes.values() if not each.dispatch and overload in (each.op, *each.also)]
    exact = exact if "." in overload else []
    return tuple(same or numbered or exact or _of_op(folded(text), nodes))


def op_names(nodes: Iterable[NodeFormula]) -> list[str]:
    """Every op's name as one would type it, without overloads and underscores around it."""
    bare = {each.op.partition(".")[0].strip("_") for each in nodes if each.op}
    return sorted(name for name in bare if not name.endswith(("_backward", "_copy")))


def composed_names(ops: Iterable[str]) -> list[str]:
    """Those of torch's composed ops whose nodes are known: "conv2d", "cross_entropy_loss"."""
    bare = {op.partition(".")[0] for op in ops}
    return sorted(name for name in bare if {folded(name), *_shorter(folded(name))} & COMPOSED.keys())


def _of_op(wanted: str, nodes: Mapping[str, NodeFormula]) -> Sequence[str]:
    if not wanted:
        return ()
    for spelling in (wanted, *_shorter(wanted)):
        if spelling in COMPOSED:
            return [name for name in COMPOSED[spelling] if name in nodes]
        for makers in (_written, _made):
            found = [each.node for each in nodes.values() if not each.dispatch and spelling in makers(each)]
            if found:
                return found
    return ()


def _shorter(wanted: str) -> Iterator[str]:
    """CrossEntropyLoss is cross_entropy."""
    if wanted.endswith("loss"):
        yield wanted.removesuffix("loss")


def _written(node: NodeFormula) -> set[str]:
    return _spellings([node.op])


def _made(node: NodeFormula) -> set[str]:
    return _spellings(node.also)


def _spellings(ops: Iterable[str]) -> set[str]:
    """What the ops may be called: without their overloads, and without `native_` or `_forward`."""
    found = set()
    for op in ops:
        name = folded(op.partition(".")[0])
        found.add(name)
        found.update(name.removeprefix(start) for start in _FOLDED_AWAY)
        found.update(name.removesuffix(end) for end in _ENDINGS[:1])
    return found - {""}
