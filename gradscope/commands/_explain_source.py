"""The page of a custom Function or a custom op: its source, which is read from the file and not run."""

from __future__ import annotations

import ast
import importlib.util
import os
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import click

from gradscope.commands._explained import heading, paragraph
from gradscope.errors import UsageError, did_you_mean, printable

if TYPE_CHECKING:
    from gradscope.formulas.sources import CustomSource


@dataclass(frozen=True)
class SourceTopic:
    """A custom Function or op of a file."""

    source: CustomSource
    path: str

    @property
    def nodes(self) -> tuple[str, ...]:
        """The node that it leaves."""
        return (self.source.node,)

    def page(self, width: int) -> Iterator[str]:
        """Its methods as they stand."""
        source = self.source
        name, path = printable(source.name), printable(self.path)
        yield f"{click.style(name, bold=True)}  {source.kind}, {path}:{source.line}"
        yield f"leaves the node {printable(source.node)}"
        for part in source.parts:
            yield from heading(part.role, f"{path}:{part.line}", width)
            yield from (f"    {line}".rstrip() for line in printable(part.text).split("\n"))
        roles = {part.role for part in source.parts}
        if "backward" not in roles and "vjp" not in roles:
            yield from heading("backward", "not found in this file", width)
        if source.saved:
            yield from heading("Saved for backward", "", width)
            yield from paragraph(printable(", ".join(source.saved)), width)
        checked = path if "::" in name else f"{path}:{name}"
        yield from ("", f"check  gradscope check {checked}")

    def data(self) -> dict[str, object]:
        """Every field, and the path."""
        return {**asdict(self.source), "path": self.path}


def source_topic(text: str) -> SourceTopic:
    """The custom Function or op of `ops.py:Softmax` or `pkg.ops:Softmax`. Raises UsageError."""
    from gradscope.loader.target import Kind, parse_target

    try:
        target = parse_target([text])
    except UsageError as error:
        raise error.advising("explain") from None
    except ValueError:  # a module that runs already and has no spec: __main__
        raise UsageError(f"{text.rpartition(':')[0]} is no module that has a file") from None
    if target.kind is Kind.FILE_ATTRIBUTE:
        return _in_file(target.where, target.attribute)
    return _in_file(_file_of_module(target.where), target.attribute)


def source_in(path: str, name: str) -> SourceTopic | None:
    """The custom Function or op of that name in a file; None where it is not there or cannot be read."""
    from gradscope.formulas.sources import custom_source

    try:
        found = custom_source(_text(path), name)
    except UsageError:
        return None
    return SourceTopic(found, path) if found is not None else None


def no_name(path: str) -> UsageError:
    """What to say of a file that is given without a name in it."""
    names = _names(path)
    if not names:
        return _none_in(path)
    return UsageError(
        f"say which function of {path}", try_next=[f"gradscope explain {path}:{name}" for name in names[:5]]
    )


def _in_file(path: str, name: str) -> SourceTopic:
    found = source_in(path, name)
    if found is not None:
        return found
    names = _names(path)
    if not names:
        raise _none_in(path)
    raise UsageError(
        f"{path} has no torch.autograd.Function and no custom op {name}{did_you_mean(name, names)}",
        try_next=[f"gradscope explain {path}:{each}" for each in names[:5]],
    )


def _names(path: str) -> Sequence[str]:
    from gradscope.formulas.sources import custom_sources

    return [each.name.rpartition("::")[2] for each in custom_sources(_text(path))]


def _none_in(path: str) -> UsageError:
    return UsageError(
        f"{path} defines no torch.autograd.Function and no custom op",
        try_next="gradscope explain MulBackward0  for a node of torch's own",
    )


def _text(path: str) -> str:
    """The text of a Python file. Raises UsageError where it cannot be read, or does not parse."""
    try:
        with tokenize.open(path) as file:
            text = file.read()
        ast.parse(text)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except (SyntaxError, UnicodeDecodeError, ValueError) as error:
        line = getattr(error, "lineno", None)
        where = f", line {line}" if line else ""
        raise UsageError(f"{path} is not valid Python{where}: {getattr(error, 'msg', error)}") from None
    return text


def _file_of_module(module: str) -> str:
    """The file of a module, found without importing it or its packages. Raises UsageError."""
    first, *rest = module.split(".")
    for folder in [os.curdir, *_folders_above(first)]:
        base = os.path.join(folder, first, *rest)
        for path in (f"{base}.py", os.path.join(base, "__init__.py")):
            if os.path.isfile(path):
                return os.path.normpath(path)
    raise UsageError(
        f"{module} has no Python file that can be read without importing it",
        try_next="gradscope explain FILE.py:NAME",
    )


def _folders_above(package: str) -> list[str]:
    spec = importlib.util.find_spec(package)
    if spec is None:
        return []
    if spec.submodule_search_locations:
        return [os.path.dirname(folder) for folder in spec.submodule_search_locations]
    return [os.path.dirname(spec.origin)] if spec.origin else []
