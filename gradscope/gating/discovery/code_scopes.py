"""What a piece of Python code says of training: what it calls, what it asks for, what it differentiates."""

from __future__ import annotations

import ast
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from gradscope.syntax.trees import dotted

FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef)
DEFINITIONS: Final = (*FUNCTIONS, ast.ClassDef)
_TRAINERS: Final = ("fit", "train")
_PROCESSES: Final = ("spawn", "Process", "start_processes")
_CONDITIONS: Final = (ast.If, ast.IfExp, ast.BoolOp, ast.Try, ast.Match)
_GROUPS: Final = ("init_process_group", "init_device_mesh", "init_rpc")
_RANKS: Final = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR")
_LONGEST: Final = 40

Meaning: TypeAlias = Callable[[str], str]
"""From a dotted name to the same with what its first part was imported as."""


@dataclass(frozen=True, slots=True)
class Sign:
    """Something that stands on a line of a file: "loss.backward()", "--data"."""

    text: str
    line: int


@dataclass(slots=True)
class Scope:
    """What the code of a function, a class or a part of a file's top level says.

    `names` are what it mentions, dotted, `attributes` the words of them that name something, `called` what
    it calls by name. What it runs in processes of their own is left out. `trains` are the lines that start a
    backward, `differentiates` those that call torch.autograd.grad. `required` are arguments of a command line
    without which it ends, `groups` what joins a group of processes, as torchrun starts them. `steps` says
    that something in it is stepped.
    """

    names: set[str] = field(default_factory=set)
    attributes: set[str] = field(default_factory=set)
    called: set[str] = field(default_factory=set)
    trains: list[Sign] = field(default_factory=list)
    differentiates: list[Sign] = field(default_factory=list)
    required: list[Sign] = field(default_factory=list)
    groups: list[Sign] = field(default_factory=list)
    steps: bool = False


@dataclass(frozen=True, slots=True)
class ScopeReader:
    """Reads code of one file into scopes. `trainers` are names that are given what a ...Trainer makes."""

    meaning: Meaning
    trainers: frozenset[str]

    def body(self, scope: Scope, body: Sequence[ast.AST]) -> None:
        """Reads all of some statements, also what they define."""
        inside = [each for one in body for each in (one.body if isinstance(one, FUNCTIONS) else [one])]
        _read_groups(scope, inside)
        self._read(scope, _executed(body, with_definitions=True))

    def executed(self, scope: Scope, statement: ast.stmt) -> None:
        """Reads what runs when a statement does: without what it defines."""
        _read_groups(scope, [statement])
        self._read(scope, _executed([statement], with_definitions=False))

    def _read(self, scope: Scope, nodes: Iterable[ast.AST]) -> None:
        for node in nodes:
            if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
                scope.names.add(dotted(node))
                scope.attributes.add(node.attr if isinstance(node, ast.Attribute) else node.id)
            if isinstance(node, ast.Subscript) and dotted(node.value) == "sys.argv":
                index = _index(node)
                if isinstance(index, int) and index > 0:
                    scope.required.append(Sign(f"sys.argv[{index}]", node.lineno))
            if isinstance(node, ast.Call):
                scope.called.add(dotted(node.func))
                self._read_call(scope, node)
        scope.names.discard("")
        scope.called.discard("")

    def _read_call(self, scope: Scope, call: ast.Call) -> None:
        if not isinstance(call.func, ast.Attribute):
            return
        owner, name = call.func.value, call.func.attr
        owned = dotted(owner)
        if name == "backward" and not _is_of_a_function(call):
            scope.trains.append(Sign(_shown(call), call.lineno))
        elif name in _TRAINERS and (owned in self.trainers or makes_trainer(owner)):
            scope.trains.append(Sign(_shown(call), call.lineno))
            scope.steps = True
        elif name == "grad" and self.meaning(dotted(call.func)) == "torch.autograd.grad":
            scope.differentiates.append(Sign(_shown(call), call.lineno))
        elif name == "step":
            scope.steps = True
        elif name in ("add_argument", "argument", "option") and (argument := _required(call, name)):
            scope.required.append(Sign(argument, call.lineno))


def makes_trainer(node: ast.expr) -> bool:
    """Whether an expression calls a class that is called ...Trainer."""
    return isinstance(node, ast.Call) and dotted(node.func).rpartition(".")[2].endswith("Trainer")


def _executed(body: Iterable[ast.AST], *, with_definitions: bool) -> Iterator[ast.AST]:
    """What runs in this process when statements do, or, with definitions, may run later.

    Left out is what is handed to a process of its own.
    """
    waiting = list(body)
    while waiting:
        node = waiting.pop()
        if not with_definitions and isinstance(node, (*DEFINITIONS, ast.Lambda)):
            continue
        yield node
        is_process = isinstance(node, ast.Call) and dotted(node.func).rpartition(".")[2] in _PROCESSES
        waiting += [node.func] if is_process and isinstance(node, ast.Call) else ast.iter_child_nodes(node)


def _index(node: ast.Subscript) -> object:
    return node.slice.value if isinstance(node.slice, ast.Constant) else None


def _reads_rank(node: ast.Subscript) -> bool:
    """Whether it reads, of the environment, what torchrun sets there."""
    is_environment = dotted(node.value).rpartition(".")[2] == "environ"
    return is_environment and isinstance(node.ctx, ast.Load) and _index(node) in _RANKS


def _read_groups(scope: Scope, body: Iterable[ast.AST]) -> None:
    """What joins a group of processes in any case: not under a condition, and not where it is tried."""
    waiting = deque(body)
    while waiting:
        node = waiting.popleft()
        if isinstance(node, _CONDITIONS):
            continue
        if isinstance(node, ast.Call) and dotted(node.func).rpartition(".")[2] in _GROUPS:
            scope.groups.append(Sign(_shown(node), node.lineno))
        if isinstance(node, ast.Subscript) and _reads_rank(node):
            scope.groups.append(Sign(ast.unparse(node), node.lineno))
        waiting += ast.iter_child_nodes(node)


def _shown(call: ast.Call) -> str:
    """What is called, on one line and not too long: "loss.backward()"."""
    text = ast.unparse(call.func)
    if len(text) <= _LONGEST and text.isprintable():
        return f"{text}()"
    return f"(...).{call.func.attr}()" if isinstance(call.func, ast.Attribute) else "(...)()"


def _is_of_a_function(call: ast.Call) -> bool:
    """Whether it is the backward of a torch.autograd.Function that is called, with its ctx."""
    first = call.args[0] if call.args else None
    return isinstance(first, ast.Name) and first.id == "ctx"


def _required(call: ast.Call, method: str) -> str:
    """The argument that argparse or click asks for and cannot do without; "" where it can."""
    words = [each.value for each in call.args if isinstance(each, ast.Constant)]
    names = [word for word in words if isinstance(word, str)]
    given = {word.arg: word.value for word in call.keywords}
    if not names or (method != "add_argument" and dotted(call.func) != f"click.{method}"):
        return ""
    asked = given.get("required")
    if names[0].startswith("-") or method == "option":
        return max(names, key=len) if isinstance(asked, ast.Constant) and asked.value is True else ""
    nargs = given.get("nargs")
    may_be_none = isinstance(nargs, ast.Constant) and nargs.value in ("?", "*", -1)
    optional = isinstance(asked, ast.Constant) and asked.value is False
    has_default = method == "argument" and "default" in given
    return "" if may_be_none or optional or has_default else names[0]
