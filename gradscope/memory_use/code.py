"""The code to paste that checkpoints blocks as they were chosen, without renaming a parameter."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from torch import nn

from gradscope.memory_use.agreed import NONE, SELECTIVE, BlockModule, Choices
from gradscope.memory_use.checkpointing import changed_buffers
from gradscope.memory_use.paths import selectors
from gradscope.memory_use.products import ATTENTION

WIDTH: Final = 88

_KEEP_BUFFERS: Final = '''\
CHANGING = {names}


class KeptBuffers:
    """Has a recomputation work on copies of the buffers: statistics are not updated twice."""

    def __init__(self, module, around):
        self.around = around
        self.then = [
            (part, name, buffer.clone())
            for part in module.modules()
            for name, buffer in part._buffers.items()
            if name in CHANGING and buffer is not None
        ]

    def __enter__(self):
        self.own = [(part, name, part._buffers[name]) for part, name, _ in self.then]
        for part, name, value in self.then:
            part._buffers[name] = value.clone()
        self.around.__enter__()

    def __exit__(self, *raised):
        try:
            self.around.__exit__(*raised)
        finally:
            for part, name, buffer in self.own:
                part._buffers[name] = buffer


def keep_buffers(module, context_fn=noop_context_fn):
    forward, recomputation = context_fn()
    return forward, KeptBuffers(module, recomputation)
'''

_WHEN: Final = "# once, after the model is made, before it is compiled or wrapped\n"

_Chosen = tuple[BlockModule, str]
_Way = tuple[tuple[str, ...], bool]  # the ops whose outputs are kept (none: not selective), any buffers


def code_for(
    roots: Sequence[nn.Module], blocks: Sequence[BlockModule], choices: Choices, names: Sequence[str] = ()
) -> str:
    """Python that applies the choices, to be run once, after the model is made; it ends in a newline.

    `roots` are those of the work and `names` expressions for them: "model", or "model_1", "model_2" where
    none are given. Empty where no block is checkpointed.
    """
    chosen = [(b, choice) for b, choice in zip(blocks, choices, strict=True) if choice != NONE]
    if not chosen:
        return ""
    names = names or (["model"] if len(roots) == 1 else [f"model_{n + 1}" for n in range(len(roots))])
    named = list(zip(names, roots, strict=True))
    ways = _ways(chosen)
    selective = sorted({kept for kept, _ in ways if kept})
    changing = _changing(chosen)
    parts = [_imports(bool(selective), bool(changing))]
    parts += [f"\n{_KEEP_BUFFERS.format(names=_tuple(changing))}\n"] if changing else []
    parts += [_contexts(number, kept) for number, kept in enumerate(selective)]
    loops = []
    for (kept, with_buffers), group in ways.items():
        context = _numbered("selective", selective.index(kept)) if kept else None
        loops.append(_loop(selectors(named, group), _checkpoint(context, with_buffers)))
    return "\n".join([*parts, _WHEN + _who(named) + "\n".join(loops)])


def _who(named: Sequence[tuple[str, nn.Module]]) -> str:
    """Comments that say which module each name stands for, where there are several."""
    if len(named) == 1:
        return ""
    order = ["first", *["next"] * (len(named) - 1)]
    said = zip(named, order, strict=True)
    return "".join(
        f"# {name}: the {type(root).__name__} that is called {when}\n" for (name, root), when in said
    )


def _ways(chosen: Sequence[_Chosen]) -> dict[_Way, list[_Chosen]]:
    """The blocks that are checkpointed in the same way."""
    # What is kept of one block may be kept of all, but for attention: it may draw its dropout in another.
    everywhere = {name for block, choice in chosen if choice == SELECTIVE for name in block.products}
    everywhere -= ATTENTION
    ways: dict[_Way, list[_Chosen]] = defaultdict(list)
    for block, choice in chosen:
        kept = tuple(sorted(everywhere | {*block.products})) if choice == SELECTIVE else ()
        ways[kept, bool(changed_buffers(block, choice))].append((block, choice))
    return ways


def _changing(chosen: Sequence[_Chosen]) -> list[str]:
    """The names, in their own modules, of the buffers that change."""
    found = [path for block, choice in chosen for path in changed_buffers(block, choice)]
    return list(dict.fromkeys(path.rpartition(".")[2] for path in found))


def _imports(is_selective: bool, with_buffers: bool) -> str:
    names = ["checkpoint"]
    names += ["create_selective_checkpoint_contexts"] if is_selective else []
    names += ["noop_context_fn"] if with_buffers else []
    lines = ["from functools import partial", ""]
    lines += ["import torch"] if is_selective else []
    return "\n".join([*lines, f"from torch.utils.checkpoint import {', '.join(names)}", ""])


def _contexts(number: int, kept: tuple[str, ...]) -> str:
    """The list of ops whose outputs are kept, and the contexts that keep them."""
    ops = [f"torch.ops.aten.{name}" for name in kept]
    products = _numbered("products", number)
    return (
        f"# what is kept: the outputs of these\n{products} = {_items('[', ops, ']')}\n"
        f"{_numbered('selective', number)} = partial(create_selective_checkpoint_contexts, {products})\n"
    )


def _numbered(name: str, number: int) -> str:
    return name if number == 0 else f"{name}_{number + 1}"


def _checkpoint(context: str | None, with_buffers: bool) -> list[str]:
    """The body of the loop."""
    made = context
    if with_buffers:
        made = f"partial(keep_buffers, block{f', {context}' if context else ''})"
    arguments = ["checkpoint", "block.forward", "use_reentrant=False"]
    arguments += [f"context_fn={made}"] if made else []
    line = f"block.forward = partial({', '.join(arguments)})"
    if len(line) + 4 <= WIDTH:
        return [line]
    return ["block.forward = partial(", f"    {', '.join(arguments)}", ")"]


def _loop(found: list[str], body: list[str]) -> str:
    """A loop over what the selectors find; none for a single module."""
    only = found[0] if len(found) == 1 else ""
    if only and not only.startswith("*"):
        return "\n".join([f"block = {only}", *body, ""])
    over = only.removeprefix("*") if only else _items("(", found, ")")
    return "\n".join([f"for block in {over}:", *(f"    {line}" for line in body), ""])


def _items(begin: str, items: Sequence[str], end: str) -> str:
    line = f"{begin}{', '.join(items)}{end}"
    if len(line) + len("for block in :") <= WIDTH:
        return line
    return "\n".join([begin, *(f"    {item}," for item in items), end.lstrip(",")])


def _tuple(names: list[str]) -> str:
    quoted = [f'"{name}"' for name in names]
    return _items("(", quoted, ",)" if len(quoted) == 1 else ")")
