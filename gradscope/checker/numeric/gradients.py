"""Analytical gradients: the function's own backward, at given cotangents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from gradscope.checker.numeric.coordinates import count, flat, joined, parts
from gradscope.checker.point import Deadline, OutOfTime, Pass, Point
from gradscope.checker.raised import raised
from gradscope.loader.generators import seeded


class BackwardRaised(Exception):
    """The user's backward, or the engine on what it returned, raised."""

    def __init__(self, error: Exception) -> None:
        super().__init__(f"backward raises {raised(error)}")


class ForwardRaised(Exception):
    """The user's forward raised at the point."""

    def __init__(self, error: Exception) -> None:
        super().__init__(f"forward raises {raised(error)}")


class NothingDifferentiable(Exception):
    """No output requires a gradient, or one is of a layout that cotangents are not made for."""


_LAYOUTS = (torch.strided, torch.sparse_coo)


@dataclass(slots=True)
class Gradients:
    """`values[number]` holds one row for each cotangent; `returned` says which inputs got a gradient."""

    values: list[Tensor]
    returned: list[bool]


class Analytical:
    """Vector-Jacobian products of one point. Every one is a forward and a backward of its own."""

    def __init__(self, point: Point) -> None:
        self.point = point
        with_graph = differentiable(point)
        self.kept = [
            place for place, tensor in enumerate(with_graph.outputs) if tensor.requires_grad
        ]  # counted among the differentiable outputs
        if not self.kept:
            raise NothingDifferentiable("no output requires a gradient")
        self.positions = [with_graph.positions[place] for place in self.kept]
        self.like = [with_graph.outputs[place].detach() for place in self.kept]
        self.size = sum(count(tensor) for tensor in self.like)
        unlike = next((one.layout for one in self.like if one.layout not in _LAYOUTS), None)
        if unlike is not None:
            raise NothingDifferentiable(f"an output is of layout {str(unlike).removeprefix('torch.')}")

    def chosen(self, outputs: Sequence[Tensor]) -> list[Tensor]:
        """Those of a forward's differentiable outputs that are compared."""
        return [outputs[place] for place in self.kept]

    def output_of(self, coordinate: int) -> tuple[int, int]:
        """The compared output that a coordinate of the joined outputs lies in, and the coordinate there."""
        for number, tensor in enumerate(self.like):
            if coordinate < count(tensor):
                return number, coordinate
            coordinate -= count(tensor)
        raise IndexError(coordinate)

    def gradients(self, cotangents: Sequence[Tensor], point: Point | None = None) -> Gradients:
        """One row for each cotangent (a vector of `size` numbers); zeros where None came back."""
        at = point or self.point
        rows: list[list[Tensor]] = [[] for _ in at.active]
        returned = [False] * len(at.active)
        for cotangent in cotangents:
            for number, gradient in enumerate(self._vjp(at, cotangent)):
                if gradient is None:
                    rows[number].append(
                        torch.zeros(count(at.tensors[number]), dtype=torch.float64, device="cpu")
                    )
                else:
                    returned[number] = True
                    rows[number].append(flat(gradient))
        return Gradients([torch.stack(each) for each in rows], returned)

    def _vjp(self, point: Point, cotangent: Tensor) -> tuple[Tensor | None, ...]:
        forward = differentiable(point)
        outputs = self.chosen(forward.outputs)
        # Clones, each with memory of its own: a backward may change its grad_output in place.
        given = [part.clone() for part in parts(cotangent, self.like)]
        try:
            with seeded():
                return torch.autograd.grad(outputs, forward.inputs, given, allow_unused=True)
        except Exception as error:
            raise BackwardRaised(error) from error


def differentiable(point: Point) -> Pass:
    """A forward with graph; its outputs as they came."""
    try:
        return point.differentiable()
    except Exception as error:
        raise ForwardRaised(error) from error


class Limit:
    """A deadline of which a share is kept back for what comes after."""

    def __init__(self, deadline: Deadline, kept_back: float) -> None:
        self._deadline = deadline
        self._least = kept_back * deadline.left() if kept_back else 0.0

    @property
    def is_over(self) -> bool:
        """Whether nothing is left but what is kept back."""
        return not self._deadline.has(self._least)


class Forward:
    """The compared outputs as one vector, at points near the point."""

    def __init__(self, point: Point, analytical: Analytical) -> None:
        self._point = point
        self._analytical = analytical
        self.ignored: Tensor | None = None  # outputs that are not finite at the point: they count as 0
        self.limit: Limit | None = None

    @contextmanager
    def limited(self, limit: Limit | None) -> Iterator[None]:
        """Evaluations in here end with the limit; None for no limit."""
        before, self.limit = self.limit, limit
        try:
            yield
        finally:
            self.limit = before

    def __call__(self, changed: dict[int, Tensor] | None = None) -> Tensor:
        """The outputs' numbers; NaN in all of them where forward raises next to the point, or where shapes
        are not those at the point. Raises OutOfTime where the limit is over.
        """
        if self.limit is not None and self.limit.is_over:
            raise OutOfTime
        try:
            outputs = self._analytical.chosen(self._point.values(changed))
        except Exception as error:
            if not changed:
                raise ForwardRaised(error) from error
            return torch.full((self._analytical.size,), float("nan"), dtype=torch.float64, device="cpu")
        if any(one.shape != like.shape for one, like in zip(outputs, self._analytical.like, strict=True)):
            return torch.full((self._analytical.size,), float("nan"), dtype=torch.float64, device="cpu")
        values = joined(outputs)
        if self.ignored is not None:
            values = values.masked_fill(self.ignored, 0.0)
        return values
