"""What the text of one Python file says of training, and by which names it reaches other code.

Nothing is run: what is told here is what stands there.
"""

from __future__ import annotations

import ast
import os
import sys
import tokenize
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from gradscope.gating.discovery.code_scopes import DEFINITIONS, FUNCTIONS, Scope, ScopeReader, makes_trainer
from gradscope.syntax.entry import is_main_block
from gradscope.syntax.trees import dotted

_LARGEST_BYTES: Final = 1_000_000


@dataclass(slots=True)
class ProgramText:
    """One file: its functions and classes by name, its top level and its `__main__` block.

    The scope of a class is what runs when it is made or called; `methods` are its others, by class and name.
    `imports` are what names mean: (module, level, attribute), the attribute "" for the module itself;
    `stars` are modules all of whose names are taken.
    """

    path: str
    tree: ast.Module
    scopes: dict[str, Scope] = field(default_factory=dict)
    methods: dict[str, dict[str, Scope]] = field(default_factory=dict)
    top: Scope = field(default_factory=Scope)
    main: Scope | None = None
    imports: dict[str, tuple[str, int, str]] = field(default_factory=dict)
    stars: list[tuple[str, int]] = field(default_factory=list)

    def meaning(self, name: str) -> str:
        """A dotted name with what its first part was imported as: "nn.Module" is "torch.nn.Module"."""
        head, dot, rest = name.partition(".")
        module, level, attribute = self.imports.get(head, (head, 0, ""))
        if level:
            return ""
        return f"{module}{'.' if attribute else ''}{attribute}{dot}{rest}"

    def uses(self, packages: Iterable[str]) -> bool:
        """Whether it imports one of these packages."""
        wanted = frozenset(packages)
        modules = [*(module for module, _, _ in self.imports.values()), *(name for name, _ in self.stars)]
        return any(module.partition(".")[0] in wanted for module in modules)


def text_of(folder: str, path: str) -> str:
    """The text of a file, as Python decodes it; ValueError, with why in words, where it cannot be read."""
    whole = os.path.join(folder, path)
    try:
        if os.path.getsize(whole) > _LARGEST_BYTES:
            raise ValueError("is larger than a megabyte")
        with tokenize.open(whole) as file:
            return file.read()
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, SyntaxError):
        raise ValueError("is not text in the encoding that it names, UTF-8 unless it says so") from None


def read_program(path: str, text: str) -> ProgramText:
    """What a file's text says; ValueError, with why in words, where it is not Python."""
    try:
        return _program(path, _tree(text))
    except (RecursionError, MemoryError):
        raise ValueError("is nested too deeply") from None


def _tree(text: str) -> ast.Module:
    if "\0" in text:
        raise ValueError("holds null bytes")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an old escape sequence in somebody's string
            return ast.parse(text)
    except SyntaxError as error:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise ValueError(f"is not Python {version} (line {error.lineno})") from None


def _program(path: str, tree: ast.Module) -> ProgramText:
    found = ProgramText(path, tree)
    _read_imports(found)
    reader = ScopeReader(found.meaning, _trainers(found))
    for statement in _top_level(tree.body):
        if isinstance(statement, ast.ClassDef):
            _read_class(found, statement, reader)
        elif isinstance(statement, DEFINITIONS):
            reader.body(found.scopes.setdefault(statement.name, Scope()), [statement])
        elif is_main_block(statement) and isinstance(statement, ast.If):
            found.main = found.main or Scope()
            reader.body(found.main, statement.body)
        else:
            reader.executed(found.top, statement)
    return found


def _top_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a module; definitions that stand in an `if` or a `try` are told by themselves."""
    for statement in body:
        inner = [child for child in ast.iter_child_nodes(statement) if isinstance(child, DEFINITIONS)]
        if isinstance(statement, ast.If | ast.Try) and inner and not is_main_block(statement):
            yield from inner
        yield statement


def _read_class(found: ProgramText, statement: ast.ClassDef, reader: ScopeReader) -> None:
    scope = found.scopes.setdefault(statement.name, Scope())
    methods = found.methods.setdefault(statement.name, {})
    own: list[ast.AST] = [*statement.bases, *statement.decorator_list]
    for each in statement.body:
        if isinstance(each, FUNCTIONS) and not each.name.startswith("__") and each.name != "forward":
            reader.body(methods.setdefault(each.name, Scope()), [each])
        else:
            own.append(each)
    reader.body(scope, own)


def _read_imports(found: ProgramText) -> None:
    for node in ast.walk(found.tree):
        if isinstance(node, ast.Import):
            for each in node.names:
                name = each.asname or each.name.partition(".")[0]
                found.imports[name] = (each.name if each.asname else name, 0, "")
        elif isinstance(node, ast.ImportFrom):
            for each in node.names:
                if each.name == "*":
                    found.stars.append((node.module or "", node.level))
                else:
                    found.imports[each.asname or each.name] = (node.module or "", node.level, each.name)


def _trainers(found: ProgramText) -> frozenset[str]:
    """The names that are given what a class called ...Trainer makes."""
    names: set[str] = set()
    for node in ast.walk(found.tree):
        if isinstance(node, ast.Assign) and makes_trainer(node.value):
            names.update(dotted(target) for target in node.targets)
    return frozenset(names - {""})
