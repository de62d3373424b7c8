"""Those who look closely at one backward, and at the forward ops before it.

They are dear, so they are armed for the first passes and again after a warning sign.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from gradscope.folds.visits import Occasion
from gradscope.recorder.chain import ChainWatch
from gradscope.recorder.graphs.capture import GraphCapture
from gradscope.recorder.halves import HalfWatch
from gradscope.recorder.inplace import WriteLog
from gradscope.recorder.memory_aliases import MemoryAliases
from gradscope.recorder.node_hooks import AccumulateGrad
from gradscope.recorder.nodes import NodeWatch
from gradscope.recorder.nonfinite import ForwardWatch
from gradscope.recorder.places import Loc
from gradscope.recorder.user_hooks import UserHooks
from gradscope.recorder.values import grad_fn

_FIRST_BACKWARDS = 1
_AFTER_A_WARNING = 3
_NODE_HOOK_BACKWARDS = 20
_LARGE_GRAPH = 4096
_current_sequence_nr = torch._C._autograd._get_sequence_nr


class Watchers:
    """Node hooks, forward checks, the chain-rule table, and the look for silent writes."""

    def __init__(
        self, writes: WriteLog, aliases: MemoryAliases, watch_results: Callable[[bool], None]
    ) -> None:
        self.writes = writes
        self.aliases = aliases
        self.hooks: UserHooks | None = None
        self.capture: GraphCapture | None = None
        self.nodes = NodeWatch()
        self.forward = ForwardWatch()
        self.chain = ChainWatch()
        self.halves = HalfWatch()
        self._watch_results = watch_results
        self._backwards = 0
        self._hooks_until = _NODE_HOOK_BACKWARDS
        self._forward_until = _FIRST_BACKWARDS
        self._alarmed = False
        self.forward.armed = True
        aliases.changed = self.arm

    @property
    def suspicious(self) -> bool:
        """Whether something was written past a version counter lately."""
        return self.writes.suspicious or self.aliases.active

    def look_for_mutations(self, nodes: Sequence[Any], backward: Loc) -> None:
        """Before a backward: was anything it saved changed unseen?"""
        if self.writes.suspicious:
            self.writes.look_for_mutations(nodes, backward)
        if self.aliases.active:
            self.aliases.before_backward(backward)

    def made(
        self,
        op: str,
        inputs: list[Tensor],
        output: Any,
        loc: Loc,
        args: Sequence[Any],
        kwargs: dict[str, Any],
    ) -> None:
        """An op returned, while results are watched."""
        if self.forward.armed:
            self.forward.check(op, inputs, output, loc, tuple(args), kwargs)
        node = grad_fn(output) if isinstance(output, Tensor) else None
        if node is not None and self._values_wanted():
            self.chain.value(node._sequence_nr(), output)
        if self.capture is not None and self.capture.is_waiting:
            self.capture.made(inputs, output, loc)
        if self.aliases.active:
            self.aliases.used(inputs, loc, made_nodes=node is not None)

    def _values_wanted(self) -> bool:
        return self._backwards < _NODE_HOOK_BACKWARDS and self.chain.recording_values

    def alarm(self) -> None:
        """A warning sign: look closely at the next passes."""
        self._alarmed = True
        self._hooks_until = max(self._hooks_until, self._backwards + _AFTER_A_WARNING)
        self._forward_until = max(self._forward_until, self._backwards + _AFTER_A_WARNING)
        self.arm()

    def arm(self) -> None:
        """Turns the watching of results on or off, as the count of backwards says."""
        self.forward.armed = self._backwards < self._forward_until
        capturing = self.capture is not None and self.capture.is_waiting
        self._watch_results(self.forward.armed or self._values_wanted() or self.aliases.active or capturing)

    def before(
        self,
        nodes: Sequence[Any],
        roots: Sequence[Tensor],
        grad_tensors: Sequence[Tensor | None],
        backward: Loc,
        step: int,
        loss: float | None,
        inputs: Sequence[Any],
        scale: float | None = None,
    ) -> None:
        """Just before the engine runs. `scale` is what a GradScaler has multiplied the loss by."""
        if loss is not None and not math.isfinite(loss):
            self.forward.loss_is_nonfinite(roots[0], nodes, backward, step)
        self.chain.before(nodes, roots, grad_tensors, backward)
        if self.hooks is not None:
            self.hooks.before((n.variable for n in nodes if type(n) is AccumulateGrad), step)
        if self._hooks_wanted(len(nodes)):
            exact = self._backwards < _NODE_HOOK_BACKWARDS
            self.nodes.before(
                nodes, roots, backward, step=step, inputs=inputs or None, exact=exact, scale=scale
            )
            self.halves.before(nodes, roots, Occasion(backward, step, 0, exact, scale))

    def _hooks_wanted(self, nodes: int) -> bool:
        """Node hooks cost as much as a tiny op itself: on a large graph, not on every early backward."""
        if self._backwards >= self._hooks_until:
            return False
        alarmed = self._backwards >= _NODE_HOOK_BACKWARDS or self._alarmed
        number = self._backwards + 1
        return nodes <= _LARGE_GRAPH or alarmed or number & (number - 1) == 0

    def not_seen(self) -> list[str]:
        """What the watchers had to pass over."""
        passed = Counter(self.nodes.passed_over)
        texts = [f"the nodes of {count} backward pass(es): {reason}" for reason, count in passed.items()]
        for what, count in (
            ("backward node(s) whose hooks could not be attached", self.nodes.unwatched),
            ("further places where a NaN or Inf was born", self.nodes.births.left_out),
            ("further places where a gradient was zeroed", self.nodes.zeroing.left_out),
        ):
            if count:
                texts.append(f"{count} {what}")
        return texts

    def faults(self) -> Counter[str]:
        """The watchers' own faults, counted by text."""
        return (
            Counter(self.nodes.faults)
            + Counter(self.forward.faults)
            + Counter(self.chain.faults)
            + self.halves.faults
        )

    def after(self) -> None:
        """After the engine ran, also when it raised."""
        self.nodes.after()
        self.halves.after()
        if self.hooks is not None:
            self.hooks.after()
        self.chain.after()
        self._backwards += 1
        self.aliases.after_backward()
        self.arm()
