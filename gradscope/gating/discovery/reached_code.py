"""What a script reaches: the functions and classes that it names, in its own file and in those it imports."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from gradscope.gating.discovery.code_scopes import Scope
from gradscope.gating.discovery.program_text import ProgramText


@dataclass(slots=True)
class Reached:
    """The scopes that were reached, each with its file; `bases` are the folders beside the script's own from
    which something was imported ("" is the repository's).
    """

    scopes: list[tuple[ProgramText, Scope]] = field(default_factory=list)
    bases: set[str] = field(default_factory=set)


@dataclass(slots=True)
class ReachedCode:
    """A search in a repository, whose file at a path `read` gives, or None."""

    script: ProgramText
    read: Callable[[str], ProgramText | None]
    found: Reached = field(default_factory=Reached)
    _waiting: deque[tuple[ProgramText, str]] = field(default_factory=deque)
    _methods: list[tuple[ProgramText, str, Scope]] = field(default_factory=list)
    _spoken: set[str] = field(default_factory=set)
    _seen: set[tuple[str, str]] = field(default_factory=set)
    _known: dict[tuple[str, str, int], ProgramText | None] = field(default_factory=dict)
    _asked: set[tuple[str, str]] = field(default_factory=set)

    def reached(self) -> Reached:
        """Everything that runs, or may, when the script runs.

        A method does where its class is reached and anything that is reached speaks of a thing of its name.
        """
        script = self.script
        self._take(script, script.top, script.top.called)
        if script.main is not None:
            self._take(script, script.main, script.main.names)
        while self._waiting or self._activate():
            file, name = self._waiting.popleft()
            if (file.path, name) in self._asked:
                continue
            self._asked.add((file.path, name))
            for owner, key in self._defined(file, name):
                if (owner.path, key) not in self._seen:
                    self._seen.add((owner.path, key))
                    self._take(owner, owner.scopes[key], owner.scopes[key].names)
                    methods = owner.methods.get(key, {})
                    self._methods += [(owner, called, scope) for called, scope in methods.items()]
        return self.found

    def _take(self, file: ProgramText, scope: Scope, names: set[str]) -> None:
        self.found.scopes.append((file, scope))
        self._spoken |= scope.attributes
        self._waiting.extend((file, name) for name in sorted(names))

    def _activate(self) -> bool:
        """Takes the methods that are spoken of by now; whether anything waits then."""
        while active := [each for each in self._methods if each[1] in self._spoken]:
            self._methods = [each for each in self._methods if each[1] not in self._spoken]
            for file, _, scope in active:
                self._take(file, scope, scope.names)
        return bool(self._waiting)

    def _defined(
        self, file: ProgramText, name: str, visited: frozenset[tuple[str, str]] = frozenset()
    ) -> Iterator[tuple[ProgramText, str]]:
        """The file in which a dotted name of `file` is defined, and its name there."""
        if (file.path, name) in visited:
            return  # two modules that import each other
        visited |= {(file.path, name)}
        head, _, rest = name.partition(".")
        if head in file.scopes:
            yield file, head
        elif head in file.imports:
            module, level, attribute = file.imports[head]
            words = [*([attribute] if attribute else []), *([rest] if rest else [])]
            yield from self._in_module(file, module, level, ".".join(words), visited)
        else:
            for module, level in file.stars:
                yield from self._in_module(file, module, level, name, visited)

    def _in_module(
        self, file: ProgramText, module: str, level: int, name: str, visited: frozenset[tuple[str, str]]
    ) -> Iterator[tuple[ProgramText, str]]:
        """Where a name of a module is defined; its first parts may be modules below it."""
        words = name.split(".") if name else []
        for count in range(len(words) + 1):
            below = ".".join([*([module] if module else []), *words[:count]])
            target = self._module(file, below, level)
            if target is not None and words[count:]:
                yield from self._defined(target, ".".join(words[count:]), visited)

    def _module(self, file: ProgramText, module: str, level: int) -> ProgramText | None:
        """The file of a module that `file` imports, if it is one of the repository's."""
        folder = file.path.rpartition("/")[0] if level else ""
        key = (folder, module, level)
        if key not in self._known:
            self._known[key] = self._beside(folder, module, level) if level else self._on_path(module)
        return self._known[key]

    def _beside(self, folder: str, module: str, level: int) -> ProgramText | None:
        for _ in range(level - 1):
            folder = folder.rpartition("/")[0]
        return self._at(folder, module)

    def _on_path(self, module: str) -> ProgramText | None:
        """The file of a module beside the script, or in a folder that must be on the path then."""
        home = self.script.path.rpartition("/")[0]
        for base in dict.fromkeys((home, *_above(home), "src")):
            target = self._at(base, module) if module else None
            if target is not None:
                if base != home:
                    self.found.bases.add(base)
                return target
        return None

    def _at(self, base: str, module: str) -> ProgramText | None:
        stem = "/".join(part for part in (base, module.replace(".", "/")) if part)
        candidates: Iterable[str] = (f"{stem}.py", f"{stem}/__init__.py") if stem else ("__init__.py",)
        return next((file for path in candidates if (file := self.read(path)) is not None), None)


def _above(folder: str) -> Iterator[str]:
    """The folders that a folder is in, the innermost first, down to the repository's own, ""."""
    while folder:
        folder = folder.rpartition("/")[0]
        yield folder
