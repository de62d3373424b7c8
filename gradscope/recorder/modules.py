"""Which module's forward is running, and what the root modules are made of.

A *root* is a module with parameters that the program calls itself, outside any other module's forward.
Nothing keeps a module alive: what must outlive it is copied while it lives.
"""

from __future__ import annotations

import sys
import threading
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn.modules import module as module_hooks

from gradscope.facts import ModuleFact, PhaseKind
from gradscope.finding import Location
from gradscope.recorder.frameworks import unseen_framework
from gradscope.recorder.now import Now
from gradscope.recorder.patches import Patches
from gradscope.recorder.places import Loc, here, intern_loc, user_frame

_is_tracing = torch._C._is_tracing  # by torch.jit, which takes down what the module is asked


def _unheard(kind: PhaseKind, place: Loc, of: str) -> None:
    """Where nobody asks for the phases of a step."""


@dataclass(slots=True)
class Root:
    """A root module: its name, the dotted path of each module in it, and a copy of its structure."""

    module: weakref.ref[nn.Module]
    name: str
    class_name: str
    paths: dict[int, str] = field(default_factory=dict)
    facts: tuple[ModuleFact, ...] = ()
    registered: dict[str, Loc] = field(default_factory=dict)  # by path
    parameters: dict[int, str] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)  # by path
    with_gradient: bool = False  # called under grad mode
    unseen: str | None = None  # what a framework hides of its gradients
    ordinal: int = 0  # among the roots

    def was_called(self, path: str) -> bool:
        """Whether the module at `path`, or one inside it, ran."""
        inside = f"{path}." if path else ""
        return any(
            count and (called == path or called.startswith(inside)) for called, count in self.calls.items()
        )

    def registered_at(self, path: str) -> Location | None:
        """The line that registered the module at `path` in its parent."""
        loc = self.registered.get(path)
        return loc.location() if loc is not None else None


class RootCalls(Protocol):
    """What is told of every call of a root module in the program's own thread."""

    def began(self, module: nn.Module, root: Root, args: Any) -> None:
        """The call begins; keyword arguments are in torch's frame only."""

    def ended(self, root: Root, output: Any) -> None:
        """It ended; `output` is None where it raised."""


class Modules:
    """The running module's path in `now.module`, and the tables behind it."""

    def __init__(self, now: Now, new_root: Callable[[], None]) -> None:
        self._now = now
        self._new_root = new_root
        self._thread = threading.get_ident()
        self._stack: list[tuple[str | None, Loc | None, int, Root | None]] = []
        self._root: Root | None = None
        self.roots: list[Root] = []
        self.called: Callable[[PhaseKind, Loc, str], None] = _unheard
        self.root_calls: RootCalls | None = None
        self._training: dict[int, bool] = {}
        self._strangers: dict[int, tuple[weakref.ref[Tensor], str, str]] = {}
        self._registered: dict[int, tuple[weakref.ref[Any], Loc]] = {}
        self._replaced: dict[int, tuple[weakref.ref[Any], Loc]] = {}
        self.registered_parameters: set[int] = set()

    def install(self, patches: Patches) -> None:
        """Puts the global module hooks in."""
        patches.hook(module_hooks.register_module_forward_pre_hook(self._enter))
        patches.hook(module_hooks.register_module_forward_hook(self._leave, always_call=True))
        patches.hook(module_hooks.register_module_parameter_registration_hook(self._parameter))
        patches.hook(module_hooks.register_module_module_registration_hook(self._child))

    # ------------------------------------------------------------ the running module

    def _enter(self, module: nn.Module, args: Any) -> None:
        if torch.compiler.is_compiling() or _is_tracing() or threading.get_ident() != self._thread:
            return
        now = self._now
        self._stack.append((now.module, now.root_call, now.root, self._root))
        now.in_optimizer.discard(self._thread)
        try:
            with torch._C.DisableTorchFunction():
                self._begin(module)
                if self.root_calls is not None and self._root is not None and self._stack[-1][3] is None:
                    self.root_calls.began(module, self._root, args)
        except Exception as error:  # noqa: BLE001  our bookkeeping must not reach the program
            now.fault("module", error)

    def _begin(self, module: nn.Module) -> None:
        now = self._now
        self._training[id(module)] = module.training
        if self._root is None:
            if next(module.parameters(), None) is None:
                return
            self._root = self._root_of(module)
            now.root_call = intern_loc(user_frame(sys._getframe(2)))
            now.root = self._root.ordinal
            if torch.is_grad_enabled():
                self._root.with_gradient = True
                self.called(PhaseKind.FORWARD, now.root_call, self._root.class_name)
        path = self._root.paths.get(id(module))
        now.module = self._stranger(module) if path is None else path
        self._root.calls[now.module] += 1

    def _leave(self, module: nn.Module, args: Any, output: Any) -> None:
        if torch.compiler.is_compiling() or _is_tracing() or threading.get_ident() != self._thread:
            return
        if self._stack:
            now, root = self._now, self._root
            if self.root_calls is not None and root is not None and self._stack[-1][3] is None:
                now.guarded("the end of a root module", self.root_calls.ended, root, output)
            now.module, now.root_call, now.root, self._root = self._stack.pop()

    def _root_of(self, module: nn.Module) -> Root:
        for root in self.roots:
            if root.module() is module:
                return root
        class_name, paths = type(module).__name__, {id(m): path for path, m in module.named_modules()}
        for root in self.roots:
            same = root.class_name == class_name and list(root.paths.values()) == list(paths.values())
            if same and root.module() is None:  # a program that makes its model anew, again and again
                root.module, root.paths = weakref.ref(module), paths
                return root
        root = Root(weakref.ref(module), class_name, class_name, paths, unseen=unseen_framework(module))
        root.ordinal = len(self.roots)
        self.roots.append(root)
        self._new_root()
        return root

    def _stranger(self, module: nn.Module) -> str:
        """A module that runs inside a root without being registered in it (or registered since)."""
        assert self._root is not None
        root = self._root.module()
        if root is not None:
            self._root.paths = {id(m): path for path, m in root.named_modules()}
            if id(module) in self._root.paths:
                return self._root.paths[id(module)]
        path = f"{self._now.module or ''}.<{type(module).__name__}>".lstrip(".")
        for parameter in module._parameters.values():
            if parameter is not None:
                self._strangers[id(parameter)] = (
                    weakref.ref(parameter),
                    self._root.name,
                    type(module).__name__,
                )
        return path

    # ------------------------------------------------------------ where things were registered

    def _parameter(self, module: nn.Module, name: str, parameter: Any) -> None:
        if not isinstance(parameter, Tensor):
            return
        loc = here(2)
        self.registered_parameters.add(id(parameter))
        self._registered[id(parameter)] = (weakref.ref(parameter), loc)
        if module._parameters.get(name) is not None and module._parameters.get(name) is not parameter:
            self._replaced[id(parameter)] = (weakref.ref(parameter), loc)

    def _child(self, parent: nn.Module, name: str, child: Any) -> None:
        if not isinstance(child, nn.Module):
            return
        loc = here(2)
        self._registered[id(child)] = (weakref.ref(child), loc)
        if parent._modules.get(name) is not None and parent._modules.get(name) is not child:
            self._replaced[id(child)] = (weakref.ref(child), loc)

    @staticmethod
    def _at(table: dict[int, tuple[weakref.ref[Any], Loc]], thing: Any) -> Loc | None:
        entry = table.get(id(thing))
        return entry[1] if entry is not None and entry[0]() is thing else None

    def registered_at(self, thing: Any) -> Loc | None:
        """Where a parameter or a module was registered in its module."""
        return self._at(self._registered, thing)

    def replaced_at(self, chain: list[Any]) -> Loc | None:
        """Where one of a parameter and its enclosing modules took another's place."""
        return next((loc for thing in chain if (loc := self._at(self._replaced, thing)) is not None), None)

    def stranger(self, parameter: Tensor) -> tuple[str, str] | None:
        """(root, class) for a parameter of a module that ran inside a root without belonging to it."""
        entry = self._strangers.get(id(parameter))
        return (entry[1], entry[2]) if entry is not None and entry[0]() is parameter else None

    # ------------------------------------------------------------ structure

    @property
    def running_root(self) -> int:
        """The ordinal of the root module that runs, `NO_ROOT` for none."""
        return self._now.root

    def is_frozen(self, path: str, root: int) -> bool:
        """Whether the module at `path` of a root has parameters, and none of them needs a gradient."""
        module = self.roots[root].module() if 0 <= root < len(self.roots) else None
        found = next((m for p, m in module.named_modules() if p == path), None) if module else None
        parameters = list(found.parameters()) if found is not None else []
        return bool(parameters) and not any(p.requires_grad for p in parameters)

    def parameter_name(self, parameter: int) -> str | None:
        """The name of the parameter with that id in the root that holds it, as last known."""
        for root in self.roots:
            name = root.parameters.get(parameter)
            if name is not None:
                return f"{root.name}.{name}" if len(self.roots) > 1 else name
        return None

    def living_roots(self) -> Iterator[tuple[Root, nn.Module]]:
        """Roots that are alive and not part of another root."""
        alive = [(root, module) for root in self.roots if (module := root.module()) is not None]
        for root, module in alive:
            inside = any(other is not root and id(module) in other.paths for other, _ in alive)
            if not inside:
                yield root, module

    def copy_structure(self) -> None:
        """Copies names, classes and counts of every living root, for when it is gone."""
        for root, module in self.living_roots():
            named = list(module.named_modules())
            root.paths = {id(m): path for path, m in named}
            root.parameters = {id(p): name for name, p in module.named_parameters()}
            root.registered = {path: loc for path, m in named if (loc := self.registered_at(m)) is not None}
            root.facts = tuple(
                ModuleFact(
                    root.name,
                    path,
                    type(m).__name__,
                    training=self._training.get(id(m), m.training),
                )
                for path, m in named
            )

    def name_roots(self, name_of: Any) -> None:
        """Gives the roots their variables' names where they have one, and makes names unique."""
        taken: Counter[str] = Counter()
        for root in self.roots:
            module = root.module()
            if module is not None:
                root.name = (name_of(module) or root.class_name).removeprefix("self.")
            taken[root.name] += 1
            if taken[root.name] > 1:
                root.name = f"{root.name}#{taken[root.name]}"
