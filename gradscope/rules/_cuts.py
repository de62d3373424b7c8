"""Cuts in words: what each kind of cut does to the gradient, and what to write instead."""

from __future__ import annotations

import ast
import re

from gradscope.facts import Cut, CutKind, Recording
from gradscope.finding import Location, Related
from gradscope.rules._parts import argument, method, receiver, source, with_keyword, written_value
from gradscope.rules._source import expression, replaced, simple_statement, snippet, statement
from gradscope.rules._words import place

_IN_BLOCK = (CutKind.NO_GRAD, CutKind.INFERENCE_MODE)
_LEAVES_TORCH = (CutKind.PYTHON_NUMBER, CutKind.NUMPY)
_MAKERS = ("tensor", "as_tensor", "Tensor", "FloatTensor", "scalar_tensor")
_INTEGER_OPS = {
    "argmax": "torch.softmax, or F.gumbel_softmax(logits, hard=True)",
    "argmin": "torch.softmax of the negated values",
    "multinomial": "F.gumbel_softmax(logits, hard=True), or log_prob times the reward",
    "argsort": "a soft sort, or the sorted values themselves",
    "topk": "the values of topk, not its indices",
}


def cut_location(cut: Cut) -> Location | None:
    """The line to blame: the block's for no_grad, else the op's."""
    return (cut.block if cut.kind in (*_IN_BLOCK, CutKind.CHECKPOINT) else None) or cut.location or cut.block


def cut_words(recording: Recording, cut: Cut) -> str:
    """What stopped the gradient, as the object of "stops at": "detach()", "a no_grad block"."""
    if cut.kind is CutKind.NO_GRAD and "set_grad_enabled" in recording.line(cut.block):
        return "set_grad_enabled(False)"
    return {
        CutKind.DETACH: "detach()",
        CutKind.DATA: _data_words(cut),
        CutKind.NO_GRAD: "a no_grad block",
        CutKind.INFERENCE_MODE: "an inference_mode block",
        CutKind.PYTHON_NUMBER: f"{cut.op}(), which gives a Python number",
        CutKind.NUMPY: f"{cut.op}(), which leaves torch for NumPy",
        CutKind.NEW_TENSOR: f"{cut.op}(), which copies the values into a new tensor",
        CutKind.NEW_PARAMETER: "nn.Parameter(), which starts a new leaf",
        CutKind.INTEGER: f"{cut.op}, whose result is not a floating-point number",
        CutKind.GRAD_CALL: "a gradient that was computed without create_graph",
        CutKind.CHOICE: f"{_exit_words(cut)}, whose result only chooses what is computed",
        CutKind.CHECKPOINT: "a reentrant checkpoint",
        CutKind.NOT_DIFFERENTIABLE: f"{cut.op}, which has no derivative",
    }[cut.kind]


def cut_label(cut: Cut) -> str:
    """The text under the carets of the cut's own line."""
    return {
        CutKind.DETACH: "the gradient stops here",
        CutKind.DATA: "this writes the values only: the gradient stops here"
        if is_written(cut)
        else ".data is the value without its graph: the gradient stops here",
        CutKind.NO_GRAD: "nothing computed in here gets a graph",
        CutKind.INFERENCE_MODE: "nothing computed in here gets a graph",
        CutKind.PYTHON_NUMBER: "a Python number has no graph: the gradient stops here",
        CutKind.NUMPY: "NumPy has no graph: the gradient stops here",
        CutKind.NEW_TENSOR: "this copies the values only: the gradient stops here",
        CutKind.NEW_PARAMETER: "a new leaf with the same values: the gradient stops here",
        CutKind.INTEGER: f"the result of {cut.op} cannot carry a gradient",
        CutKind.GRAD_CALL: "this gradient carries no graph of its own",
        CutKind.CHOICE: "this value only chooses what runs, and no gradient goes through a choice",
        CutKind.CHECKPOINT: "no input of this checkpoint requires a gradient, so its inside is skipped",
        CutKind.NOT_DIFFERENTIABLE: f"{cut.op} gives a result without a gradient",
    }[cut.kind]


def cut_related(cut: Cut) -> list[Related]:
    """The cut's other lines: the op inside the block, and where the value came back into a tensor."""
    found = []
    primary = cut_location(cut)
    if cut.location is not None and (primary is None or cut.location.at != primary.at):
        found.append(Related(cut.location, f"{cut.op} ran here without a graph"))
    if cut.resumed is not None and cut.resumed != primary:
        found.append(Related(cut.resumed, "the value goes on from here"))
    return found


def cut_fix(recording: Recording, cut: Cut) -> str:
    """What to write instead, in the terms of the line where it can be read."""
    if cut.kind in _IN_BLOCK:
        return _leave_the_block(recording, cut)
    if cut.kind in _LEAVES_TORCH:
        return _stay_in_torch(recording, cut)
    text = snippet(recording, cut.location)
    if cut.kind in (CutKind.DETACH, CutKind.DATA):
        return _without_stop(recording, cut, text)
    if cut.kind is CutKind.NEW_TENSOR:
        return _joined(recording, cut, text)
    if cut.kind is CutKind.GRAD_CALL:
        return grad_fix(recording, cut.location)
    return {
        CutKind.NEW_PARAMETER: "use the tensor itself; make a Parameter once, in __init__, of plain values",
        CutKind.CHECKPOINT: "checkpoint(..., use_reentrant=False)",
        CutKind.INTEGER: _soft(cut.op),
        CutKind.CHOICE: _weighed(cut),
    }.get(
        cut.kind,
        f"replace {cut.op} by an op that has a derivative, or give it one in a torch.autograd.Function",
    )


def grad_fix(recording: Recording, location: Location | None) -> str:
    """A gradient call that keeps its graph."""
    text = snippet(recording, location)
    node = expression(text)
    if text.endswith(".grad") or node is None:
        return "torch.autograd.grad(loss, inputs, create_graph=True), in place of reading .grad"
    if isinstance(node, ast.Call) and any(keyword.arg is None for keyword in node.keywords):
        return "pass create_graph=True"
    call = with_keyword(text, "create_graph=True")
    return replaced(recording, location, call) if call else "pass create_graph=True to the gradient call"


def _without_stop(recording: Recording, cut: Cut, text: str) -> str:
    inner = receiver(text)
    if inner is None or method(text) not in ("detach", "data"):
        return f"leave out {cut_words(recording, cut)}"
    line = statement(recording, cut.location)
    if ".numpy(" in line or ".item(" in line:
        return _stay_in_torch(recording, cut)
    return replaced(recording, cut.location, inner)


def _stay_in_torch(recording: Recording, cut: Cut) -> str:
    text = snippet(recording, cut.location)
    inner = receiver(text) if method(text) in ("item", "tolist") else None
    if method(text) in ("float", "int", "bool"):
        inner = argument(text)
    if cut.kind is CutKind.PYTHON_NUMBER and inner:
        kept = _without_maker(statement(recording, cut.location), text, inner)
        if kept is not None:
            return f"keep the tensor: {kept}"
        return f"keep the tensor: {replaced(recording, cut.location, inner)}{_and_as_it_is(recording, cut)}"
    back = f" and {place(cut.resumed, cut.location)}" if cut.resumed else ""
    here = place(cut.location, cut.location)
    way = f"what runs between {here}{back}" if back and cut.resumed != cut.location else f"{here}"
    return f"stay in torch: write {way} with torch ops, or wrap it in a torch.autograd.Function"


def _without_maker(line: str, text: str, inner: str) -> str | None:
    """The line without the torch.tensor(...) around the number `text`: what it makes has no graph again.

    None where no such call is around it.
    """
    node = simple_statement(line)
    for call in ast.walk(node) if node is not None else ():
        if not isinstance(call, ast.Call) or not call.args or method(source(call, line)) not in _MAKERS:
            continue
        given = source(call.args[0], line)
        if text in given:
            new = given.replace(text, inner)
            if isinstance(call.args[0], ast.List | ast.Tuple):
                new = "torch.stack(" + re.sub(r"\.item\(\)", "", new) + ")"
            return line.replace(source(call, line), new)
    return None


def _and_as_it_is(recording: Recording, cut: Cut) -> str:
    """What else to leave out, where the number becomes a tensor again on a later line."""
    if cut.resumed is None or cut.location is None or cut.resumed.at == cut.location.at:
        return ""
    called = method(snippet(recording, cut.resumed))
    return f", and leave out {called}() in line {cut.resumed.line}" if called in _MAKERS else ""


def _joined(recording: Recording, cut: Cut, text: str) -> str:
    if cut.op == "load":
        return "use the tensor itself where it is to be trained: what is saved and loaded has no graph"
    given = argument(text)
    node = expression(given) if given else None
    if given is None or node is None:
        return "torch.stack(list_of_tensors) keeps the graph, torch.tensor(...) copies the numbers only"
    kind = type(node).__name__
    if kind in ("List", "ListComp", "Tuple", "GeneratorExp"):
        inner = source(node, given)
        # a number among the tensors would not stack
        inner = re.sub(r"\.item\(\)", "", inner)
        listed = f"[{inner}]" if kind == "GeneratorExp" else inner
        return replaced(recording, cut.location, f"torch.stack({listed})")
    same = replaced(recording, cut.location, given)
    stacked = replaced(recording, cut.location, f"torch.stack({given})")
    return f"{stacked} for a list of tensors, {same} for a tensor"


def _leave_the_block(recording: Recording, cut: Cut) -> str:
    line = statement(recording, cut.location)
    mode = "no_grad" if cut.kind is CutKind.NO_GRAD else "inference_mode"
    header = recording.line(cut.block).strip() if cut.block else ""
    if header.startswith(("with ", "async with ")):
        what = f"`{line}`" if line and line != header else "the computation"
        return f"move {what} out of the block of {place(cut.block, cut.block)}"
    if "set_grad_enabled" in header or "enable_grad" in header:
        return "torch.set_grad_enabled(True) before this computation"
    called = method(snippet(recording, cut.block)) if cut.block else None
    if header.startswith("@") or called:
        if called == "sample":
            text = snippet(recording, cut.location)
            return replaced(recording, cut.location, text.replace(".sample(", ".rsample("))
        owner = f" from {called}()" if called and not header.startswith("@") else ""
        return f"take the decorator @torch.{mode}() away{owner}"
    return f"compute this outside torch.{mode}()"


def is_written(cut: Cut) -> bool:
    """Whether this cut is a write into a leaf, rather than a read of `.data`."""
    return cut.kind is CutKind.DATA and cut.op != "data"


def _data_words(cut: Cut) -> str:
    if not is_written(cut):
        return ".data"
    how = ".data =" if cut.op == "data =" else f"{cut.op}()"
    return f"{how}, which writes the values without their graph"


def functional_fix(recording: Recording, cut: Cut, written_to: tuple[str, ...]) -> str:
    """A call with computed tensors in place of parameters, where they were written into the parameters."""
    leaf = recording.leaf(written_to[-1])
    owner = leaf.module or leaf.root if leaf is not None else None
    key = written_to[-1].rpartition(".")[2]
    given = written_value(statement(recording, cut.location))
    tensors = f"{{{key!r}: {given}}}" if given else "{name: tensor, ...}"
    return (
        f"torch.func.functional_call({owner or 'module'}, {tensors}, inputs): its parameters stay as they are"
    )


def _exit_words(cut: Cut) -> str:
    return "a test of its value" if cut.op == "bool" else f"{cut.op}()"


def _weighed(cut: Cut) -> str:
    if cut.op == "bool":
        return "weigh both branches: p = torch.sigmoid(score); p * first(x) + (1 - p) * second(x)"
    return "let the score weigh what it chooses: scores.softmax(-1)[k] * chosen[k](x)"


def _soft(op: str) -> str:
    known = _INTEGER_OPS.get(op)
    if known:
        return f"a differentiable stand-in for {op}: {known}"
    if op in ("gt", "lt", "ge", "le", "eq", "ne") or op in ("__gt__", "__lt__", "__ge__", "__le__"):
        return "a soft comparison: torch.sigmoid(k * (x - threshold))"
    return "keep a floating-point dtype on the way to the loss, or use a differentiable stand-in"
