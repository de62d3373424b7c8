"""Where a function is differentiated: its arguments, flattened, and how it is evaluated there."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from gradscope.checker.copies import copied, copied_with_graph, room_like
from gradscope.checker.subject import Subject
from gradscope.facts.checks import Origin
from gradscope.loader.generators import seeded


@dataclass(frozen=True, slots=True)
class Sample:
    """Arguments of one call, as they were given. `requires_grad` of the tensors is what the program set.

    `unusual` says that they were made up, and of other shapes than the function seems to be made for: a
    gradient that is wrong only there is worth a note, no more.
    """

    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""
    origin: Origin = Origin.GIVEN
    unusual: bool = False


_WAITING = 3.0


class OutOfTime(Exception):
    """No time is left for another evaluation of forward."""


class Deadline:
    """How long the checks of one function may take: seconds that this thread computes, from now on.

    On a busy machine that is less than what passes: what is checked must not depend on what else runs.
    Three times as many seconds on the clock are the most. `seconds` are those it began with.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.thread_time() + seconds
        self._last = time.perf_counter() + _WAITING * seconds
        self._reaches = time.perf_counter() + seconds

    def left(self) -> float:
        """Seconds that are left; 0.0 when there are none."""
        now = time.perf_counter()
        left = max(0.0, min(self._end - time.thread_time(), self._last - now))
        self._reaches = now + left
        return left

    def has(self, seconds: float) -> bool:
        """Whether any time is left, and so many seconds; cheap, to be asked before every evaluation.

        A thread computes no longer than the clock runs, so only the clock is read while it cannot be over:
        the thread's own time takes a system call, over a millisecond in some containers.
        """
        sure = self._reaches - time.perf_counter()
        left = sure if sure > 0.0 and sure >= seconds else self.left()
        return left > 0.0 and left >= seconds

    @property
    def is_over(self) -> bool:
        """Whether no time is left."""
        return not self.has(0.0)


@dataclass(slots=True)
class Pass:
    """One differentiable evaluation: the leaves that were given, and the outputs that depend on them.

    `inputs` are leaves that require a gradient, one for each active tensor; `outputs` the differentiable
    tensors that came out, `positions` their places among all outputs. `given` are all leaves as the subject
    was handed them, `returned` is what it returned.
    """

    inputs: list[Tensor]
    outputs: list[Tensor]
    positions: list[int]
    given: list[Any] = field(default_factory=list)
    returned: Any = None


class Point:
    """The arguments of one sample. Tensors are private copies; evaluations never change them.

    `leaves` are all arguments in order, containers opened; `names` say which is which ("x", "weight",
    "args[1]", "heads[0]"). `active` are the indices of those that are differentiated: by default every
    floating-point or complex tensor. `required` are those that the program itself made require a gradient.
    """

    def __init__(
        self,
        subject: Subject,
        leaves: Sequence[Any],
        spec: pytree.TreeSpec,
        names: Sequence[str],
        active: Sequence[int],
        required: Sequence[int] = (),
    ) -> None:
        self.subject = subject
        self.leaves = tuple(leaves)
        self.spec = spec
        self.names = tuple(names)
        self.active = tuple(active)
        self.required = tuple(required)
        self._count = [0]

    @classmethod
    def of(cls, subject: Subject, sample: Sample, dtype: torch.dtype | None = torch.float64) -> Point:
        """A point with the sample's values; floating-point tensors in `dtype` (None: as they are)."""
        paths, spec = pytree.tree_flatten_with_path((tuple(sample.args), dict(sample.kwargs)))
        names = [_name(path, subject) for path, _ in paths]
        leaves = [_copy(value, dtype) for _, value in paths]
        given = [value for _, value in paths]
        required = [i for i, value in enumerate(given) if is_differentiable(value) and value.requires_grad]
        active = [i for i, leaf in enumerate(leaves) if is_dense(leaf) or i in required]
        return cls(subject, leaves, spec, names, active, required)

    def with_leaves(self, changed: Mapping[int, Any], active: Sequence[int] | None = None) -> Point:
        """The same point with other values in some places, or other active ones; counts for this one too."""
        leaves = [changed.get(index, value) for index, value in enumerate(self.leaves)]
        chosen = self.active if active is None else active
        made = Point(self.subject, leaves, self.spec, self.names, chosen, self.required)
        return made.counted_with(self)

    def to(self, dtype: torch.dtype | None = None, device: torch.device | str | None = None) -> Point:
        """The same point in another floating-point dtype, or on another device."""
        moved = {
            index: _converted(value, dtype).to(device=device)
            for index, value in enumerate(self.leaves)
            if isinstance(value, Tensor)
        }
        return self.with_leaves(moved)

    @property
    def evaluations(self) -> int:
        """How often the subject was called, here and at every point that was made from this one."""
        return self._count[0]

    def counted_with(self, other: Point) -> Point:
        """This point, its evaluations counted as the other's too."""
        self._count = other._count
        return self

    @property
    def tensors(self) -> list[Tensor]:
        """The values of the active tensors."""
        return [self.leaves[index] for index in self.active]

    @property
    def dtypes(self) -> list[torch.dtype]:
        """Of the tensors among the leaves that can require a gradient."""
        return [leaf.dtype for leaf in self.leaves if is_differentiable(leaf)]

    def is_spare(self, number: int) -> bool:
        """Whether the program differentiates others of its tensors, and not the active one of that number."""
        return bool(self.required) and self.active[number] not in self.required

    def name(self, number: int) -> str:
        """The name of the active tensor of that number."""
        return self.names[self.active[number]]

    # ------------------------------------------------------------ evaluation

    def raw(self, leaves: Sequence[Any]) -> Any:
        """What the subject returns for these leaves, as it returns it; generators are seeded first."""
        self._count[0] += 1
        args, kwargs = pytree.tree_unflatten(list(leaves), self.spec)
        with seeded():
            return self.subject.call(*args, **kwargs)

    def fresh(self, changed: Mapping[int, Tensor] | None = None) -> list[Any]:
        """All leaves, tensors as clones that keep their strides: the subject may change them in place."""
        changed = changed or {}
        return [copied(changed.get(index, value)) for index, value in enumerate(self.leaves)]

    def values(self, changed: Mapping[int, Tensor] | None = None) -> list[Tensor]:
        """The differentiable outputs, without graph. `changed` maps leaf indices to other tensors."""
        leaves = self.fresh(changed)
        for index in self.active:  # as when differentiated: a forward may ask whether one requires a gradient
            leaves[index].requires_grad_()
        with torch.no_grad():
            return [tensor.detach() for _, tensor in _outputs(self.raw(leaves))]

    def differentiable(self, active: Sequence[int] | None = None) -> Pass:
        """One evaluation with a graph. `active` (leaf indices; default all active ones) require a gradient.

        What the subject gets are clones of those leaves, so that it may change them in place.
        """
        chosen = self.active if active is None else tuple(active)
        leaves = self.fresh()
        inputs = []
        for index in chosen:
            leaf = copied(self.leaves[index]).requires_grad_()
            inputs.append(leaf)
            with torch.enable_grad():
                leaves[index] = copied_with_graph(leaf)
        with torch.enable_grad():
            returned = self.raw(leaves)
        found = _outputs(returned)
        return Pass(inputs, [tensor for _, tensor in found], [place for place, _ in found], leaves, returned)


def is_differentiable(value: Any) -> bool:
    """Whether a value is a tensor that can require a gradient."""
    return isinstance(value, Tensor) and (value.is_floating_point() or value.is_complex())


def is_dense(value: Any) -> bool:
    """Whether a value is a strided tensor that can require a gradient: one of a sparse layout is a table."""
    return is_differentiable(value) and value.layout is torch.strided


def tensors_of(output: Any) -> list[Any]:
    """What a function returned, containers opened."""
    leaves: list[Any] = pytree.tree_leaves(output)
    return leaves


def _outputs(output: Any) -> list[tuple[int, Tensor]]:
    return [(place, t) for place, t in enumerate(tensors_of(output)) if is_differentiable(t)]


def _converted(value: Tensor, dtype: torch.dtype | None) -> Tensor:
    if dtype is None or not is_differentiable(value):
        return value
    wanted = dtype.to_complex() if value.is_complex() else dtype
    if value.layout is not torch.strided or value.is_contiguous():
        return value.to(wanted)
    return room_like(value, wanted).copy_(value)


def _copy(value: Any, dtype: torch.dtype | None) -> Any:
    """A private copy of a tensor with the same strides; other values as they are."""
    if not isinstance(value, Tensor):
        return value
    return copied(_converted(value.detach(), dtype))


def _name(path: Sequence[Any], subject: Subject) -> str:
    """ "x", "weight", "heads[0]": the parameter's name where it is known."""
    kind, position, *rest = path
    parameters = list(subject.signature.parameters) if subject.signature is not None else []
    key = _key(position)
    if _key(kind) == 0 and isinstance(key, int):
        name = parameters[key] if key < len(parameters) else f"args[{key}]"
    else:
        name = str(key)
    return name + "".join(f"[{_key(part)!r}]" for part in rest)


def _key(part: Any) -> Any:
    for attribute in ("idx", "key", "name"):
        if hasattr(part, attribute):
            return getattr(part, attribute)
    return str(part)
