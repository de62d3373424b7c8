"""How findings speak: names folded into groups, counts, places and the path of a value."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Sequence

from gradscope.facts import Leaf, Recording, Step
from gradscope.finding import Location, Note, Severity

CAUGHT = Note("note", "the program caught this exception itself and went on")


def counted(number: int, noun: str) -> str:
    """ "1 parameter", "1,024 places"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def listing(names: Iterable[str], most: int = 3) -> str:
    """ "a, b and c", or "a, b, c and 4 more" past `most` names."""
    known = list(names)
    if len(known) > most:
        return f"{', '.join(known[:most])} and {len(known) - most:,} more"
    return " and ".join(filter(None, [", ".join(known[:-1]), *known[-1:]]))


def common_prefix(names: Sequence[str]) -> str:
    """The dotted prefix that all names share, "" where there is none."""
    parts = [name.split(".")[:-1] for name in names]
    shared = []
    for column in zip(*parts, strict=False):
        if len(set(column)) > 1:
            break
        shared.append(column[0])
    return ".".join(shared)


def numbered_modules(names: Sequence[str]) -> str:
    """ "blocks.*.extra" where the names lie in the same module of numbered blocks, else ""."""
    modules = sorted({name.rpartition(".")[0] for name in names})
    columns = list(zip(*(module.split(".") for module in modules), strict=False))
    if len(modules) < 2 or any(module.count(".") != modules[0].count(".") for module in modules):
        return ""
    shared = [column[0] if len(set(column)) == 1 else "*" for column in columns]
    differing = [column for column in columns if len(set(column)) > 1]
    numbered = all(part.isdigit() for column in differing for part in column)
    return ".".join(shared) if numbered and shared[0] != "*" else ""


def grouped(names: Sequence[str], noun: str = "parameter") -> str:
    """Many names as one subject: "fc.bias", "encoder.* (6 parameters)", "a, b and c (3 parameters)"."""
    if len(names) == 1:
        return names[0]
    prefix = numbered_modules(names) or (common_prefix(names) and f"{common_prefix(names)}.*")
    if prefix:
        return f"{prefix} ({counted(len(names), noun)})"
    heads = dict.fromkeys(name if "." not in name else name.partition(".")[0] + ".*" for name in names)
    return f"{listing(heads)} ({counted(len(names), noun)})"


def spoken(recording: Recording, names: Iterable[str]) -> tuple[str, ...]:
    """Leaf names as a sentence can use them: "0.weight" of a Sequential called net is "net.0.weight"."""

    def full(name: str) -> str:
        leaf = recording.leaf(name) if name[:1].isdigit() or "." not in name else None
        return f"{leaf.root}.{name}" if leaf is not None and leaf.root else name

    return unique(map(full, names))


def is_plural(names: Sequence[str]) -> bool:
    """Whether `grouped(names)` reads as a plural: several names with nothing in common."""
    return len(names) > 1 and not common_prefix(names)


def verb(names: Sequence[str], singular: str, plural: str) -> str:
    """The form of the verb that follows `grouped(names)`."""
    return plural if is_plural(names) else singular


def by_name(recording: Recording) -> dict[str, Leaf]:
    """The leaves by name, for when many are asked for."""
    return {leaf.name: leaf for leaf in recording.leaves}


def noun_for(leaves: Iterable[Leaf | None]) -> str:
    """What to call these leaves: "parameter" where all are, else "tensor"."""
    return "parameter" if all(leaf is not None and leaf.is_parameter for leaf in leaves) else "tensor"


def place(location: Location | None, seen_from: Location | None = None) -> str:
    """ "line 36" for a place in the file of `seen_from`, else "losses.py:36"; "an unknown line" for None."""
    if location is None:
        return "an unknown line"
    if seen_from is not None and seen_from.path == location.path:
        return f"line {location.line}"
    return f"{os.path.basename(location.path)}:{location.line}"


def path_text(steps: Sequence[Step], home: Location | None, most: int = 9) -> str:
    """A value's way as text: "encoder.weight -> linear (35) -> detach (36) -> mse_loss (52)".

    A line is printed where it changes, with its file where that is not `home`'s. A long way keeps its
    two ends and every cut.
    """
    kept = _shortened(steps, most)
    words: list[str] = []
    line: tuple[str, int] | None = None
    for step in kept:
        if step is None:
            words.append("...")
            continue
        op, where = op_words(step.op), step.location
        if where is None or where.at == line:
            words.append(op)
            continue
        line = where.at
        same_file = home is not None and home.path == where.path
        words.append(f"{op} ({where.line if same_file else place(where)})")
    return " -> ".join(words)


def _shortened(steps: Sequence[Step], most: int) -> list[Step | None]:
    if len(steps) <= most:
        return list(steps)
    head, tail = most // 2, most - most // 2 - 1
    kept: list[Step | None] = []
    for index, step in enumerate(steps):
        near_cut = any(other.cut for other in steps[max(0, index - 1) : index + 2])
        if index < head or index >= len(steps) - tail or near_cut:
            kept.append(step)
        elif kept[-1] is not None:
            kept.append(None)
    return kept


def node_words(node: str) -> str:
    """A backward node's name as the op that made it: "LogSoftmaxBackward0" -> "log_softmax"."""
    name = re.sub(r"Backward\d*$", "", node.rpartition("::")[2])
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
    return {"addmm": "linear", "t": "transpose", "native_layer_norm": "layer_norm"}.get(name, name) or node


def stem(node: str) -> str:
    """The node's name without "Backward0": "ReluBackward0" -> "Relu"."""
    return node.rpartition("::")[2].partition("Backward")[0]


def op_words(op: str) -> str:
    """An op's name without underscores around it: "__getitem__" -> "getitem"."""
    return op.strip("_") if op.startswith("__") else op


def number(value: float | None) -> str:
    """A number as a person would write it: "0", "0.5", "1.2e-07"; "nothing" for None."""
    return "nothing" if value is None else f"{value:.4g}"


def ended(ended_program: bool, *, keeps_failing: bool = False) -> Severity:
    """An error where torch's exception ended the program, or ends every step of it; else information."""
    return Severity.ERROR if ended_program or keeps_failing else Severity.INFO


def keeps_failing(recording: Recording, backward: Location | None) -> bool:
    """Whether the backward of this line raised again and again, and worked at most once."""
    return any(
        one.failed > 1 >= one.count - one.failed
        for one in recording.backwards
        if backward is not None and one.location is not None and one.location.at == backward.at
    )


def caught(ended_program: bool) -> tuple[Note, ...]:
    """The note that goes with `ended`."""
    return () if ended_program else (CAUGHT,)


def got_gradient(leaf: Leaf) -> bool:
    """Whether any backward gave this leaf a gradient."""
    return leaf.gradient is not None and leaf.gradient.backwards > 0


def is_trained(recording: Recording, leaf: Leaf) -> bool:
    """Whether the program means to change this leaf: trainable, and owned where optimizers exist."""
    return leaf.requires_grad and (bool(leaf.optimizers) or not recording.optimizers)


def attribute_of(path: str, dicts: Collection[str] = ()) -> str:
    """A module's path as its parent writes it: "decoder.fc3" -> "fc3", "heads.1" -> "heads[1]".

    `dicts` are the paths of the ModuleDicts of the model: "heads.sst" -> "heads['sst']".
    """
    parts = path.split(".")
    keys: list[str] = []
    while len(parts) > 1 and (parts[-1].isdigit() or ".".join(parts[:-1]) in dicts):
        in_dict = ".".join(parts[:-1]) in dicts
        key = parts.pop()
        keys.append(repr(key) if in_dict else key)
    return parts[-1] + "".join(f"[{key}]" for key in reversed(keys))


def quoted(name: str | None, otherwise: str) -> str:
    """A name of the program in backticks, or a description where it has none."""
    return f"`{name}`" if name else otherwise


def unique(names: Iterable[str]) -> tuple[str, ...]:
    """The names without repetition, in their order."""
    return tuple(dict.fromkeys(names))


def first_place(*locations: Location | None) -> Location | None:
    """The first that is known."""
    return next((location for location in locations if location is not None), None)


def other_places(locations: Collection[Location | None], *, than: Location | None) -> list[Location]:
    """Known places on other lines than `than`, each line once, in order."""
    seen = {than.at} if than else set()
    found = []
    for location in locations:
        if location is not None and location.at not in seen:
            seen.add(location.at)
            found.append(location)
    return found
