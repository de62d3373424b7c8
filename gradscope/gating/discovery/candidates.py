"""What of a repository a gate could run, found in its text: scripts that train, custom gradients, modules."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from gradscope.gating.discovery.code_scopes import Sign
from gradscope.gating.discovery.program_text import ProgramText, read_program, text_of
from gradscope.gating.discovery.reached_code import Reached, ReachedCode
from gradscope.gating.discovery.source_files import source_files
from gradscope.syntax.trees import dotted

HOOK: Final = "gradscope_inputs"
STEPS: Final = 5
"""Optimizer steps after which a script is ended: enough for what is judged over several of them."""

_FRAMEWORKS: Final = (
    "torch",
    "lightning",
    "pytorch_lightning",
    "transformers",
    "accelerate",
    "trl",
    "ignite",
)
_WORDS: Final = ("__main__", "backward", "Trainer", "autograd", "custom_op", HOOK, "train(", "main(")
_FUNCTIONS: Final = ("torch.autograd.Function", "torch.autograd.function.Function")
_CUSTOM_OP: Final = "torch.library.custom_op"
_MODULES: Final = ("torch.nn.Module", "torch.nn.modules.Module", "torch.nn.modules.module.Module")
_FEW: Final = 3


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something to run: `target` as on a command line, `why` it was chosen, with file and line.

    `steps` is where the run is to end, None for its own end. `required` are arguments without which it ends
    at once, `group` is where it joins a group of processes, as torchrun starts them. `search_path` is the
    folder from which it imports the repository's own modules, None where that is its own folder.
    """

    command: str
    target: str
    why: str
    steps: int | None = None
    required: tuple[str, ...] = ()
    group: str = ""
    search_path: str | None = None


@dataclass(frozen=True, slots=True)
class Discovery:
    """`skipped` tells of the files that could not be read, `looked_at` counts those that could."""

    candidates: tuple[Candidate, ...]
    looked_at: int
    skipped: tuple[str, ...] = ()


def discover(folder: str) -> Discovery:
    """Looks through the Python files below an absolute folder. Nothing is imported and nothing is run."""
    files = source_files(folder)
    named = [path for path in files.paths if path.isprintable()]
    repository = _Repository(folder, frozenset(named))
    programs = [program for path in named if (program := repository.interesting(path))]
    found = [
        *(each for program in programs for each in _training(program, repository)),
        *(each for program in programs for each in _custom_gradients(program)),
        *(each for program in programs for each in _modules(program)),
    ]
    skipped = [f"{path} {why}" for path, why in sorted(repository.skipped.items())]
    skipped += [f"{path!a} has a name that is not printed" for path in files.paths if path not in named]
    if files.more:
        skipped.append(f"{files.more:,} files more were not looked at: there are too many")
    return Discovery(tuple(found), len(named) - len(repository.skipped), tuple(skipped))


@dataclass(slots=True)
class _Repository:
    """The files of a repository, each read once, when it is asked for."""

    folder: str
    paths: frozenset[str]
    skipped: dict[str, str] = field(default_factory=dict)
    _read: dict[str, ProgramText | None] = field(default_factory=dict)

    def program(self, path: str) -> ProgramText | None:
        """The file at a path, None where there is none that can be read."""
        if path not in self._read:
            self._read[path] = self._program(path) if path in self.paths else None
        return self._read[path]

    def interesting(self, path: str) -> ProgramText | None:
        """The file at a path, if it speaks of what is looked for."""
        text = self._text(path)
        return self.program(path) if text is not None and any(word in text for word in _WORDS) else None

    def _program(self, path: str) -> ProgramText | None:
        text = self._text(path)
        if text is None:
            return None
        try:
            return read_program(path, text)
        except ValueError as reason:
            self.skipped[path] = str(reason)
            return None

    def _text(self, path: str) -> str | None:
        if path in self.skipped:
            return None
        try:
            return text_of(self.folder, path)
        except ValueError as reason:
            self.skipped[path] = str(reason)
            return None


# ---------------------------------------------------------------- scripts that train


def _training(program: ProgramText, repository: _Repository) -> Iterator[Candidate]:
    found = ReachedCode(program, repository.program).reached()
    signs = [(file, sign) for file, scope in found.scopes for sign in scope.trains]
    signs += [
        (file, sign) for file, scope in found.scopes if file is program for sign in scope.differentiates
    ]
    if not signs or not any(file.uses(_FRAMEWORKS) for file, _ in found.scopes):
        return
    file, sign = min(signs, key=lambda each: (each[0] is not program, each[0].path, each[1].line))
    module = _as_module(program, repository)
    outside = sorted(found.bases, key=lambda base: (base.count("/"), base))
    yield Candidate(
        command="trace",
        target=f"-m {module}" if module else program.path,
        why=f"{file.path}:{sign.line} calls {sign.text}",
        steps=STEPS if any(scope.steps for _, scope in found.scopes) else None,
        required=_required(found),
        group=_group(program, found),
        search_path=(outside[0] or ".") if outside and not module else None,
    )


def _group(program: ProgramText, found: Reached) -> str:
    """Where the script, or a file beside it, joins a group of processes; "" for nowhere."""
    home = program.path.rpartition("/")[0]
    for file, scope in found.scopes:
        if scope.groups and file.path.rpartition("/")[0] == home:
            return f"{file.path}:{scope.groups[0].line} {scope.groups[0].text}"
    return ""


def _required(found: Reached) -> tuple[str, ...]:
    signs: dict[str, Sign] = {}
    for _, scope in found.scopes:
        for sign in sorted(scope.required, key=lambda each: each.line):
            signs.setdefault(sign.text, sign)
    return tuple(signs)


def _as_module(program: ProgramText, repository: _Repository) -> str:
    """The dotted name that a script with relative imports must be run by; "" for any other."""
    if not any(
        level for _, level, _ in [*program.imports.values(), *((*star, "") for star in program.stars)]
    ):
        return ""
    parts = program.path.removesuffix(".py").split("/")
    folders = ["/".join(parts[:count]) for count in range(1, len(parts))]
    is_package = folders and all(f"{folder}/__init__.py" in repository.paths for folder in folders)
    return ".".join(parts[:-1] if parts[-1] == "__main__" else parts) if is_package else ""


# ---------------------------------------------------------------- custom gradients


def _custom_gradients(program: ProgramText) -> Iterator[Candidate]:
    found = [*_functions(program), *_custom_ops(program)]
    if found:
        signs = sorted(found, key=lambda sign: sign.line)
        shown = ", ".join(sign.text for sign in signs[:_FEW])
        more = f" and {len(signs) - _FEW} more" if len(signs) > _FEW else ""
        why = f"{program.path}:{signs[0].line} defines the gradient of {shown}{more}"
        yield Candidate("check", program.path, why)


def _functions(program: ProgramText) -> Iterator[Sign]:
    """The subclasses of torch.autograd.Function that define a backward."""
    for each in _classes(program):
        is_function = any(program.meaning(dotted(base)) in _FUNCTIONS for base in each.bases)
        methods = {inner.name for inner in each.body if isinstance(inner, ast.FunctionDef)}
        if is_function and methods & {"backward", "vjp"}:
            yield Sign(each.name, each.lineno)


def _custom_ops(program: ProgramText) -> Iterator[Sign]:
    """The custom ops of a file that registers gradients."""
    if not any(name.endswith("register_autograd") for name in _names(program)):
        return
    for node in ast.walk(program.tree):
        if isinstance(node, ast.FunctionDef):
            calls = [each.func if isinstance(each, ast.Call) else each for each in node.decorator_list]
            if any(program.meaning(dotted(call)) == _CUSTOM_OP for call in calls):
                yield Sign(node.name, node.lineno)


def _names(program: ProgramText) -> Iterator[str]:
    methods = (scope for each in program.methods.values() for scope in each.values())
    for scope in (program.top, program.main, *program.scopes.values(), *methods):
        if scope is not None:
            yield from scope.names


# ---------------------------------------------------------------- modules that bring their inputs


def _modules(program: ProgramText) -> Iterator[Candidate]:
    hook = next(
        (each for each in program.tree.body if isinstance(each, ast.FunctionDef) and each.name == HOOK), None
    )
    if hook is None:
        return
    modules = list(_module_classes(program))
    parts = {name for each in modules for name in _mentioned(program, each.name) - {each.name}}
    for each in modules:
        if each.name not in parts and each.name[0] != "_" and _needs_no_arguments(each):
            why = f"{program.path}:{each.lineno} defines it, and line {hook.lineno} {HOOK}()"
            yield Candidate("memory", f"{program.path}:{each.name}", why)


def _mentioned(program: ProgramText, name: str) -> set[str]:
    """The names that a class mentions, in its bases and in all its methods."""
    scopes = (program.scopes[name], *program.methods[name].values())
    return {each for scope in scopes for each in scope.names}


def _module_classes(program: ProgramText) -> Iterator[ast.ClassDef]:
    known: set[str] = set()
    for each in _classes(program):
        bases = [dotted(base) for base in each.bases]
        if any(base in known or program.meaning(base) in _MODULES for base in bases):
            known.add(each.name)
            yield each


def _needs_no_arguments(each: ast.ClassDef) -> bool:
    for inner in each.body:
        if isinstance(inner, ast.FunctionDef) and inner.name == "__init__":
            positional = [*inner.args.posonlyargs, *inner.args.args]
            missing = len(positional) - 1 - len(inner.args.defaults)
            return missing <= 0 and None not in inner.args.kw_defaults
    return True


def _classes(program: ProgramText) -> Iterator[ast.ClassDef]:
    for each in program.tree.body:
        if isinstance(each, ast.ClassDef):
            yield each
