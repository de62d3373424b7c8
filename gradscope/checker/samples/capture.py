"""Watches the custom Functions and ops that a program calls: their arguments, and what is done to them."""

from __future__ import annotations

import threading
import weakref
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor
from torch._library.custom_ops import CustomOpDef
from torch.autograd import Function
from torch.autograd.function import _SingleLevelFunction
from torch.utils import _pytree as pytree

from gradscope.checker.point import Sample
from gradscope.checker.samples.double_use import DoubleUse
from gradscope.checker.samples.held_tensors import HeldTensors
from gradscope.checker.samples.kept_calls import KeptCall, KeptCalls, Memory
from gradscope.checker.samples.program_mode import OpaqueRegions, ProgramMode
from gradscope.checker.samples.trials import try_forward
from gradscope.checker.subject import Subject
from gradscope.checker.subjects.keys import MADE_FOR_OPS, Key, key_of_class, key_of_subject
from gradscope.checker.watched import Watched
from gradscope.recorder.now import Now
from gradscope.recorder.patches import Patches, named_like
from gradscope.recorder.places import here
from gradscope.recorder.regions import Regions
from gradscope.recorder.values import tensors_in

_MOST_NODES = 2_000  # of one function, that are watched in backwards
_BEHIND = 3  # nodes
_NO_KEY = ("", "")


class Capture:
    """Sees calls of `torch.autograd.Function.apply`, whatever it is called through, and of custom ops.

    The program runs, in this process, inside the `with`; `samples` and `watched` tell of it afterwards.

    `names` are the qualified names of those to watch; all for None. Inside compiled functions and
    torch.func transforms nothing is seen; torch's own Functions never are. Everything that is put in is
    taken out on exit; the program computes what it would without. `faults` counts our own failures.
    """

    def __init__(self, names: Collection[str] | None = None) -> None:
        self._names = None if names is None else set(names)
        self._calls: dict[Key, KeptCalls] = {}
        self._nodes: Counter[Key] = Counter()
        self._memory = Memory()
        self._held = HeldTensors()
        self._double = DoubleUse()
        self._now = Now()
        self._patches = Patches()
        self._inside = _Inside()
        self._mode: Any = None
        self._local: dict[Key, type[Function]] = {}
        self._keys: weakref.WeakKeyDictionary[type, Key | None] = weakref.WeakKeyDictionary()

    @property
    def faults(self) -> Counter[str]:
        """Faults of our own, which never reach the program, and how often each happened."""
        return self._now.faults

    def __enter__(self) -> Self:
        try:
            self._install_functions()
            self._install_ops()
            self._install_engine()
            follow: Any = OpaqueRegions(self._double)
            Regions(self._now, follow, self._new_mode, _unheard).install(self._patches)
            self._mode = self._new_mode()
            self._mode.__enter__()
        except BaseException:
            self._patches.undo()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        try:
            if self._mode is not None:
                self._mode.__exit__(None, None, None)
        finally:
            self._mode = None
            self._patches.undo()

    # ------------------------------------------------------------ what was seen

    def samples(self, subject: Subject) -> list[Sample]:
        """Copies of the first few distinct calls of a subject, those that need a gradient first.

        Of a call whose arguments are large, only some rows were kept; it is left out where forward does
        not take them.
        """
        calls = self._calls.get(key_of_subject(subject) or _NO_KEY)
        return [each.sample for each in calls.in_order() if _is_usable(subject, each)] if calls else []

    def local_functions(self) -> list[type[Function]]:
        """The Functions made inside functions that were called, one for each place in the source."""
        return list(self._local.values())

    def left_out(self, subject: Subject) -> list[str]:
        """Why calls were not kept: "its arguments take 512 MiB"."""
        calls = self._calls.get(key_of_subject(subject) or _NO_KEY)
        return list(calls.left_out) if calls is not None else []

    def watched(self, subject: Subject) -> Watched:
        """How often a subject was called, and what was done to its gradients and to what it keeps."""
        key = key_of_subject(subject) or _NO_KEY
        calls = self._calls.get(key)
        changed = [(name, where) for (owner, name), where in self._held.changed.items() if owner == key]
        return Watched(calls.count if calls is not None else 0, self._double.twice.get(key), tuple(changed))

    # ------------------------------------------------------------ calls

    def _install_functions(self) -> None:
        """`Function.apply` looks its `super().apply` up at every call: aliases made before are seen too."""
        capture = self

        def apply(cls: Any, *args: Any, **kwargs: Any) -> Any:
            # torch's own `apply` is the next in order behind the class that this one stands in.
            run: Any = super(_SingleLevelFunction, cls).apply  # type: ignore[misc]  # `cls` is one of its kind
            key = capture._key_of(cls)
            if key is None or torch.compiler.is_compiling():
                return run(*args, **kwargs)
            if key not in capture._inside.ops:
                capture._guarded("a call", capture._called, key, *_arguments(cls, args, kwargs))
            output = run(*args, **kwargs)
            capture._guarded("the node of a call", capture._returned, key, cls, args, output)
            return output

        self._patches.replace(_SingleLevelFunction, "apply", classmethod(apply))

    def _install_ops(self) -> None:
        """Ops called by their own name; through `torch.ops` only those calls that need a gradient."""
        capture = self
        call: Any = CustomOpDef.__call__

        def __call__(this: CustomOpDef, *args: Any, **kwargs: Any) -> Any:  # noqa: N807
            key = ("", this._qualname)
            if not capture._is_meant(key) or torch.compiler.is_compiling():
                return call(this, *args, **kwargs)
            capture._guarded("a call", capture._called, key, args, kwargs)
            with capture._inside.op(key):
                return call(this, *args, **kwargs)

        self._patches.replace(CustomOpDef, "__call__", named_like(call, __call__))

    def _key_of(self, cls: type) -> Key | None:
        """The key of a Function that is watched, None for all others."""
        if cls not in self._keys:
            key = key_of_class(cls)
            self._keys[cls] = key = key if key is not None and self._is_meant(key) else None
            if key is not None and "<locals>" in cls.__qualname__:
                self._local.setdefault(key, cls)
        return self._keys[cls]

    def _is_meant(self, key: Key) -> bool:
        if self._names is None:
            return True
        return key[1] in self._names or key[1].rpartition(".")[2].rpartition("::")[2] in self._names

    def _called(self, key: Key, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        calls = self._calls.setdefault(key, KeptCalls())
        calls.count += 1
        with torch.no_grad():
            self._memory.keep(calls, args, kwargs, here(4).location())

    def _returned(self, key: Key, cls: type, args: Sequence[Any], output: Any) -> None:
        outputs, inputs = tensors_in(output), tensors_in(args)
        if self._double.follows_values:
            self._double.computed(cls.__name__, inputs, outputs)
        node = _node_of(outputs, cls)
        if node is not None and self._nodes[key] < _MOST_NODES:
            self._nodes[key] += 1
            self._double.watch(key, node)
            self._held.watch(key, node, [*inputs, *outputs])

    # ------------------------------------------------------------ backwards and ops

    def _install_engine(self) -> None:
        run_engine = torch.autograd._engine_run_backward  # type: ignore[attr-defined]  # private to torch
        capture = self

        def _engine_run_backward(t_outputs: Any, *args: Any, **kwargs: Any) -> Any:
            if torch.compiler.is_compiling():
                return run_engine(t_outputs, *args, **kwargs)
            _, _, create_graph, inputs = (*args, None, None, None, None)[:4]
            loc = here(1)
            this = capture._double.begin(loc, bool(create_graph), inputs or ())
            gradients, raised = None, True
            try:
                gradients = run_engine(t_outputs, *args, **kwargs)
                raised = False
            finally:
                accumulates = bool(kwargs.get("accumulate_grad"))
                capture._guarded(
                    "after a backward",
                    lambda: capture._double.end(
                        this, t_outputs, None if accumulates else gradients, raised=raised
                    ),
                )
            return gradients

        self._patches.replace(torch.autograd, "_engine_run_backward", _engine_run_backward)

    def _new_mode(self) -> ProgramMode:
        return ProgramMode(self._now, self._held, self._double)

    def _guarded(self, where: str, note: Any, *args: Any) -> None:
        """Bookkeeping out of sight of the program's modes; a fault in it is counted, never raised."""
        with torch._C._DisableTorchDispatch():
            self._now.guarded(where, note, *args)


class _Inside(threading.local):
    """The custom ops that this thread is inside of, whose calls are counted already."""

    def __init__(self) -> None:
        self.ops: list[Key] = []

    def op(self, key: Key) -> _InsideOp:
        """Around one call."""
        return _InsideOp(self, key)


class _InsideOp:
    def __init__(self, inside: _Inside, key: Key) -> None:
        self._inside, self._key = inside, key

    def __enter__(self) -> None:
        self._inside.ops.append(self._key)

    def __exit__(self, *exception: object) -> None:
        self._inside.ops.pop()


def _unheard(_text: str) -> None:
    """What is not seen inside a region is no news here."""


def _arguments(cls: type, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Sequence[Any], Any]:
    """The arguments as the program gave them: torch puts words of its own behind those of an op."""
    if cls.__module__ != MADE_FOR_OPS:
        return args, kwargs
    *given, last = args
    if hasattr(last, "input_spec"):  # lists of tensors were opened
        *given, last = pytree.tree_unflatten(given, last.input_spec)
    return given, last.keyword_only_args


def _node_of(outputs: Sequence[Tensor], cls: type) -> Any:
    """The node that a call made: that of an output, or the one behind it where the output is a view."""
    for output in outputs:
        node, depth = output.grad_fn, 0
        while node is not None and depth < _BEHIND:
            if getattr(type(node), "_forward_cls", None) is cls:
                return node
            node = next((following for following, _ in node.next_functions if following is not None), None)
            depth += 1
    return None


def _is_usable(subject: Subject, call: KeptCall) -> bool:
    return not call.sliced or try_forward(subject, call.sample).works
