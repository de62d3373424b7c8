"""The program's own gradient hooks: who registered them, and whether they change what they are given.

Every `register_*_hook` of torch makes a `RemovableHandle`, so its constructor tells the line. The hooks
themselves are left as they are, in the dictionaries where torch keeps them. While a backward is looked
at closely, a probe stands before and after each of them there, and compares; a probe returns None, as
a hook does that changes nothing. A module's backward hooks are copied by torch into a list at each
forward; in that copy the probes stand from then on.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from types import CodeType, FrameType
from typing import Any

import torch.autograd.graph
import torch.overrides
from torch import Tensor
from torch.nn.modules import module as modules
from torch.utils.hooks import BackwardHook, RemovableHandle

from gradscope.facts import GradientHook, HookChange, HookEffect, HookKind
from gradscope.finding import Location
from gradscope.folds.hooks import HookFold, HookKey
from gradscope.folds.visits import HookSite
from gradscope.recorder.hook_probes import Probe, Registered
from gradscope.recorder.names import variable_name
from gradscope.recorder.now import Now
from gradscope.recorder.patches import Patches
from gradscope.recorder.places import intern_loc, is_inner

_MOST_TABLES = 4096
_MOST_OF_MODULES = 4096
_MULTI_GRAD = torch.autograd.graph.__file__
_BETWEEN = (__file__, torch.overrides.__file__)
_PACKAGE = __file__.rpartition("recorder")[0]
_MADE = (HookEffect.ZEROED, HookEffect.NAN, HookEffect.INF)

Hooks = dict[Any, Callable[..., Any]]


def _code(function: Any) -> CodeType:
    code: CodeType = function.__code__
    return code


_MODULE_DOORS = {
    _code(door): kind
    for door, kind in (
        (torch.nn.Module.register_full_backward_hook, HookKind.MODULE),
        (torch.nn.Module.register_backward_hook, HookKind.MODULE),
        (torch.nn.Module.register_full_backward_pre_hook, HookKind.MODULE_OUTPUT),
        (modules.register_module_full_backward_hook, HookKind.MODULE),
        (modules.register_module_backward_hook, HookKind.MODULE),
        (modules.register_module_full_backward_pre_hook, HookKind.MODULE_OUTPUT),
    )
}
_NODE_DOOR = _code(torch.autograd.Function._register_hook)
_DOORS = {
    _code(Tensor.register_hook): HookKind.TENSOR,
    _code(Tensor.register_post_accumulate_grad_hook): HookKind.ACCUMULATED,
    _NODE_DOOR: HookKind.NODE,
    **_MODULE_DOORS,
}


@dataclass(slots=True)
class _Table:
    """The dictionary in which torch keeps the hooks of one tensor or node, and the program's among them."""

    hooks: weakref.ref[Any]
    known: dict[int, Registered] = field(default_factory=dict)


class UserHooks:
    """Remembers registrations, and looks at what hooks do between `before` and `after`."""

    def __init__(self, now: Now) -> None:
        self._now = now
        self._tables: dict[int, _Table] = {}
        self._of_modules: dict[int, Registered] = {}
        self._probes: dict[int, tuple[weakref.ref[Any], list[object]]] = {}
        self._fold = HookFold()
        self._backward = 0
        self._looking = False
        self._made: dict[int, tuple[weakref.ref[Tensor], HookSite]] = {}
        self._made_in_leaf: dict[int, HookSite] = {}

    def install(self, patches: Patches) -> None:
        """Wraps the constructors of a hook's handle and of a module's backward hook."""
        construct, gather = RemovableHandle.__init__, BackwardHook.__init__
        now, watch = self._now, self

        def make_handle(this: Any, hooks_dict: Any, *, extra_dict: Any = None) -> None:
            construct(this, hooks_dict, extra_dict=extra_dict)
            if now.in_backward:
                return
            frame = sys._getframe(1)
            if frame.f_code in _DOORS and not torch.compiler.is_compiling():
                now.guarded("a hook", watch._registered, hooks_dict, this.id, frame)

        def make_backward_hook(this: Any, module: Any, user_hooks: Any, user_pre_hooks: Any) -> None:
            if watch._of_modules and not torch.compiler.is_compiling():
                user_hooks = watch._probed(module, user_hooks)
                user_pre_hooks = watch._probed(module, user_pre_hooks)
            gather(this, module, user_hooks, user_pre_hooks)

        patches.replace(RemovableHandle, "__init__", make_handle)
        patches.replace(BackwardHook, "__init__", make_backward_hook)

    # ------------------------------------------------------------ registration

    def _registered(self, hooks: Any, handle: int, frame: FrameType) -> None:
        door = frame.f_code
        hook = frame.f_locals.get("hook")
        if isinstance(hook, modules._WrappedHook):
            known = self._of_module(hook.module() if hook.with_module else None, hook.hook)
            if known is not None:
                self._keep(hooks, handle, _on_module(known, self._now.module))
            return
        caller, several = _who_registers(frame)
        if caller is None:
            return
        kind = HookKind.SEVERAL if several is not None else _DOORS[door]
        function = several if several is not None else hook
        place = intern_loc(caller)
        key = HookKey(kind, _name(function), place.location(), _defined_at(function))
        if door in _MODULE_DOORS:
            self._of_modules[handle] = Registered(key, place)
            if len(self._of_modules) > _MOST_OF_MODULES:
                del self._of_modules[next(iter(self._of_modules))]
            return
        tensor = frame.f_locals.get("self")
        if not isinstance(tensor, Tensor):
            registered = Registered(key, place)
        elif tensor.is_leaf:
            registered = Registered(key, place, leaf=id(tensor))
        else:
            registered = Registered(key, place, name=variable_name(tensor) or "")
        self._keep(hooks, handle, registered)

    def _keep(self, hooks: Any, handle: int, registered: Registered) -> None:
        table = self._tables.get(id(hooks))
        if table is None or table.hooks() is not hooks:
            if len(self._tables) >= _MOST_TABLES:
                return
            address, tables = id(hooks), self._tables
            table = tables[address] = _Table(weakref.ref(hooks, lambda _: tables.pop(address, None)))
        for gone in [one for one in table.known if one not in hooks]:
            del table.known[gone]
        table.known[handle] = registered

    def _adopt(self, leaf: Tensor, hooks: Any, kind: HookKind) -> None:
        """Hooks that a leaf had before the recorder came, torch's own excepted."""
        for handle, hook in hooks.items():
            code = getattr(hook, "__code__", None)
            if code is not None and not is_inner(code):
                key = HookKey(kind, _name(hook), None, _defined_at(hook))
                self._keep(hooks, handle, Registered(key, leaf=id(leaf)))

    # ------------------------------------------------------------ around a backward

    def before(self, leaves: Iterable[Tensor], backward: int) -> None:
        """A backward that is looked at closely begins: puts the probes in."""
        self._backward = backward
        self._looking = True
        for leaf in leaves:
            for hooks, kind in (
                (leaf._backward_hooks, HookKind.TENSOR),
                (leaf._post_accumulate_grad_hooks, HookKind.ACCUMULATED),
            ):
                if hooks and id(hooks) not in self._tables:
                    self._adopt(leaf, hooks, kind)
        for table in list(self._tables.values()):
            hooks = table.hooks()
            if hooks:
                self._surround(hooks, table.known)

    def after(self) -> None:
        """It is over: takes them out."""
        self._looking = False
        self._made.clear()
        self._made_in_leaf.clear()
        for reference, keys in self._probes.values():
            hooks = reference()
            if hooks is not None:
                for key in keys:
                    hooks.pop(key, None)
        self._probes.clear()

    def _surround(self, hooks: Any, known: dict[int, Registered]) -> None:
        keys: list[object] = []
        for handle in list(hooks) if any(one in known for one in hooks) else ():
            hook = hooks.pop(handle)
            registered = known.get(handle)
            if registered is None:
                hooks[handle] = hook
                continue
            probe = Probe(self, registered)
            first, last = object(), object()
            hooks[first], hooks[handle], hooks[last] = probe.before, hook, probe.after
            keys += [first, last]
        if keys:
            self._probes[id(hooks)] = (weakref.ref(hooks), keys)

    def _of_module(self, module: Any, hook: Any) -> Registered | None:
        own = (module._backward_hooks, module._backward_pre_hooks) if module is not None else ()
        everywhere = (modules._global_backward_hooks, modules._global_backward_pre_hooks)
        for hooks in (*own, *everywhere):
            for handle, registered in hooks.items():
                if registered is hook:
                    return self._of_modules.get(handle)
        return None

    def _probed(self, module: Any, hooks: Any) -> Any:
        """The same hooks, those of the program between probes."""
        try:
            return list(self._with_probes(module, hooks))
        except Exception as error:  # noqa: BLE001  our bookkeeping must not reach the program
            self._now.fault("a module's hooks", error)
            return hooks

    def _with_probes(self, module: Any, hooks: Iterable[Any]) -> Iterator[Any]:
        for hook in hooks:
            registered = self._of_module(module, hook)
            if registered is None:
                yield hook
                continue
            probe = Probe(self, _on_module(registered, self._now.module))
            yield from (probe.before, hook, probe.after)

    # ------------------------------------------------------------ what was seen

    @property
    def looking(self) -> bool:
        """Whether a backward is being looked at."""
        return self._looking

    def fault(self, error: Exception) -> None:
        """A probe failed."""
        self._now.fault("a hook's gradients", error)

    def ran(self, registered: Registered, after: Tensor, change: HookChange | None) -> None:
        """A hook ran on one gradient, which is `after` now."""
        on = registered.leaf if registered.leaf is not None else registered.name
        self._fold.saw(registered.key, on, self._backward, change)
        if change is None or change.effect not in _MADE:
            return
        key = registered.key
        site = HookSite(key.function, registered.place)
        if key.kind is HookKind.ACCUMULATED and registered.leaf is not None:
            self._made_in_leaf[registered.leaf] = site
        else:
            self._made[id(after)] = (weakref.ref(after), site)

    def that_made(self, gradients: Iterable[Tensor | None]) -> HookSite | None:
        """The hook that made one of these gradients zero or non-finite, in this backward."""
        for gradient in gradients if self._made else ():
            made = self._made.get(id(gradient))
            if made is not None and made[0]() is gradient:
                return made[1]
        return None

    def that_changed(self, leaf: int) -> HookSite | None:
        """The hook that made the `.grad` of a leaf zero or non-finite after it was accumulated."""
        return self._made_in_leaf.get(leaf)

    def facts(self, leaf_name: Callable[[int], str]) -> tuple[GradientHook, ...]:
        """The program's hooks that ran in a backward that was looked at."""
        return self._fold.facts(leaf_name)


def _who_registers(frame: FrameType) -> tuple[FrameType | None, Any]:
    """(the program's frame, None where torch itself registers; the function of a multi-grad hook)."""
    door, several = frame.f_code, None
    caller = frame.f_back
    while caller is not None:
        code = caller.f_code
        if code.co_filename == _MULTI_GRAD:
            if code.co_name == "register_multi_grad_hook":
                several = caller.f_locals.get("fn")
        elif (
            code is not door
            and code.co_filename not in _BETWEEN
            and not code.co_filename.startswith(_PACKAGE)
        ):
            break
        caller = caller.f_back
    return (None if caller is None or is_inner(caller.f_code) else caller), several


def _on_module(registered: Registered, path: str | None) -> Registered:
    return replace(registered, name=path or "")


def _name(function: Any) -> str:
    """The function's name as it is written, without the functions around it."""
    inner = getattr(function, "func", function)
    name = getattr(inner, "__qualname__", None) or type(inner).__name__
    return str(name).replace("<locals>.", "")


def _defined_at(function: Any) -> Location | None:
    code = getattr(getattr(function, "func", function), "__code__", None)
    return Location(code.co_filename, code.co_firstlineno) if code is not None else None
