"""What `TARGET` says: a script, a module to run, or an attribute of a file or module. No torch here."""

from __future__ import annotations

import importlib.util
import os
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from gradscope.errors import TargetError, closest

_EXAMPLES = (
    "gradscope trace train.py",
    "gradscope trace -m package.train -- --epochs 1",
    "gradscope trace model.py:Net --input 'randn(8, 3, 32, 32)'",
)
_FEW = 3
_USUAL = ("train", "main", "run")
_DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*\Z")


class Kind(StrEnum):
    """The forms of a target."""

    SCRIPT = "script"  # train.py, or a folder or zip file with a __main__.py
    RUN_MODULE = "run-module"  # -m pkg.train
    FILE_ATTRIBUTE = "file-attribute"  # model.py:Net
    MODULE_ATTRIBUTE = "module-attribute"  # pkg.models:Net


@dataclass(frozen=True, slots=True)
class Target:
    """`text` is as typed; `where` the path or the dotted module name; `arguments` the program's own."""

    text: str
    kind: Kind
    where: str
    attribute: str = ""
    arguments: tuple[str, ...] = ()

    @property
    def is_program(self) -> bool:
        """True for what is run as `__main__`."""
        return self.kind in (Kind.SCRIPT, Kind.RUN_MODULE)

    @property
    def folder(self) -> str:
        """The absolute folder that a file lies in, as it was typed; the working directory for a module."""
        if self.kind in (Kind.RUN_MODULE, Kind.MODULE_ATTRIBUTE):
            return os.getcwd()
        path = os.path.abspath(self.where)
        return path if os.path.isdir(path) else os.path.dirname(path)

    @property
    def command_line(self) -> tuple[str, ...]:
        """What would stand after `python` to run it."""
        start = ("-m", self.where) if self.kind is Kind.RUN_MODULE else (self.where,)
        return (*start, *self.arguments)


def parse_target(words: Sequence[str], run_module: str | None = None) -> Target:
    """Reads the words of a command line: the target, then the program's own arguments.

    `run_module` is the value of `-m`; all words are then arguments. Raises TargetError where there is
    no such file or module, with the nearest names, or where the file cannot be read.
    """
    _check_working_directory()
    if run_module is not None:
        return Target(f"-m {run_module}", Kind.RUN_MODULE, _runnable(run_module), arguments=tuple(words))
    if not words:
        raise TargetError("say what to trace", try_next=_EXAMPLES)
    if not words[0]:
        raise TargetError("the target is empty", try_next=_EXAMPLES)
    text, arguments = words[0], tuple(words[1:])
    left, colon, attribute = text.rpartition(":")
    if colon and not os.path.exists(text) and not _is_drive(left):
        return _attribute_target(text, left, attribute, arguments)
    _check_script(text)
    return Target(text, Kind.SCRIPT, text, arguments=arguments)


def _check_working_directory() -> None:
    try:
        os.getcwd()
    except OSError:
        raise TargetError(
            "the working directory is gone: it was deleted, or moved",
            try_next="cd into it again, or elsewhere",
        ) from None


def _check_readable(path: str) -> None:
    try:
        with open(path, "rb"):
            pass
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: str, error: OSError) -> TargetError:
    right = "rx" if os.path.isdir(path) else "r"
    advice = f"chmod u+{right} {path}" if isinstance(error, PermissionError) else ()
    return TargetError(f"{path} cannot be read: {error.strerror}", try_next=advice)


def _scripts_in(folder: str) -> list[str]:
    """The Python files of a folder, those first that usually train; empty where it cannot be read."""
    try:
        names = [name for name in os.listdir(folder) if name.endswith(".py")]
    except OSError:
        return []
    return sorted(names, key=lambda name: (not name.startswith(_USUAL), name.startswith("_"), name))


def _is_drive(left: str) -> bool:
    return os.name == "nt" and len(left) == 1


def _attribute_target(text: str, left: str, attribute: str, arguments: tuple[str, ...]) -> Target:
    if not _DOTTED.match(attribute):
        raise TargetError(
            f"what stands after the colon of {text} must be a name, as in model.py:Net",
            try_next=f"gradscope trace {left}" if os.path.exists(left) else (),
        )
    if not left:
        raise TargetError(
            f"a file or a module must stand before the colon of {text}, as in model.py:{attribute}",
            try_next=[f"gradscope trace {name}:{attribute}" for name in _scripts_in(".")[:_FEW]],
        )
    if os.path.isfile(left):
        _check_readable(left)
        return Target(text, Kind.FILE_ATTRIBUTE, left, attribute, arguments)
    if left.endswith(".py") or os.sep in left or not _DOTTED.match(left):
        raise _no_such_file(left, f":{attribute}")
    if not _importable(left):
        raise _no_such_module(left, f":{attribute}")
    return Target(text, Kind.MODULE_ATTRIBUTE, left, attribute, arguments)


def _importable(dotted: str) -> bool:
    top = dotted.partition(".")[0]
    return _below_cwd(dotted) or (top != "__main__" and importlib.util.find_spec(top) is not None)


def _below_cwd(dotted: str) -> bool:
    top = dotted.partition(".")[0]
    return os.path.isdir(top) or os.path.isfile(f"{top}.py")


def _runnable(name: str) -> str:
    if not _DOTTED.match(name) or name.endswith(".py"):
        stem = name.removesuffix(".py").replace(os.sep, ".").strip(".")
        raise TargetError(f"-m takes a dotted module name, not {name}", try_next=f"gradscope trace -m {stem}")
    if not _importable(name):
        raise _no_such_module(name, "", "-m ")
    return name


def _check_script(path: str) -> None:
    if os.path.isdir(path):
        try:
            os.scandir(path).close()
        except OSError as error:
            raise _unreadable(path, error) from None
        if not os.path.isfile(os.path.join(path, "__main__.py")):
            files = [os.path.normpath(os.path.join(path, name)) for name in _scripts_in(path)]
            advice = [f"gradscope trace {file}" for file in files[:_FEW]]
            raise TargetError(
                f"{path} is a folder without a __main__.py, so Python cannot run it", try_next=advice
            )
    elif not os.path.exists(path):
        raise _no_such_file(path, "")
    elif path.endswith(".ipynb"):
        raise TargetError(
            f"{path} is a notebook",
            try_next="in one of its cells: with gradscope.trace() as t: ...  and then print(t)",
        )
    elif not os.path.isfile(path):
        raise TargetError(f"{path} is not a file that can be read twice; save the program in a file first")
    else:
        _check_readable(path)
        if not path.endswith((".py", ".pyw", ".pyc")) and not zipfile.is_zipfile(path):
            with open(path, "rb") as file:
                if b"\0" in file.read(4096):
                    raise TargetError(f"{path} is not Python source", try_next="gradscope trace train.py")


def _no_such_file(path: str, rest: str) -> TargetError:
    folder, name = os.path.split(path)
    try:
        beside = os.listdir(folder or ".")
    except OSError as error:
        if os.path.isdir(folder):
            return _unreadable(folder, error)
        parent = folder
        while parent and not os.path.isdir(parent):
            parent = os.path.dirname(parent)
        return TargetError(f"no such file: {path}", where=(f"there is no folder {folder}",))
    stems = [entry.removesuffix(".py") for entry in beside if entry.endswith(".py")]
    near = closest(name.removesuffix(".py"), stems)
    advice = [f"gradscope trace {os.path.join(folder, stem)}.py{rest}" for stem in near]
    if not rest and _DOTTED.match(name) and "." in name and not folder and _below_cwd(name):
        advice.insert(0, f"gradscope trace -m {name}")
    holds = ", ".join(_scripts_in(folder or ".")[:_FEW]) if not advice else ""
    where = (f"{folder or 'this folder'} holds {holds}",) if holds else ()
    return TargetError(f"no such file: {path}", where=where, try_next=advice)


def _no_such_module(name: str, rest: str, option: str = "") -> TargetError:
    top = name.partition(".")[0]
    here = [os.path.splitext(e)[0] for e in os.listdir(".") if e.endswith(".py") or os.path.isdir(e)]
    advice = [f"gradscope trace {option}{other}{name[len(top) :]}{rest}" for other in closest(top, here)]
    if not advice:
        advice = [f"start it in the folder that holds {top}, or install the package: pip install -e ."]
    return TargetError(f"no module named {top} here or among the installed packages", try_next=advice)
