"""One function differentiated in several ways, and along a sweep of one input: what is drawn of a check."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Way:
    """One way of differentiating, on one sample. `passes` counts evaluations of the function for a whole
    gradient or Jacobian, `seconds` is measured, `error` is relative to the most exact way (2-norm).
    """

    name: str  # "symbolic", "numerical (central, h=1e-5)", "forward mode", "reverse mode"
    passes: int | None
    seconds: float | None
    error: float | None
    exact: bool
    text: str = ""  # a closed form, or why it does not apply


@dataclass(frozen=True, slots=True)
class Ways:
    """The ways of differentiating side by side; `steps` is (step size, relative error) of the central
    difference, from the largest step to the smallest.
    """

    inputs: int  # elements
    outputs: int
    ways: tuple[Way, ...]
    steps: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Curve:
    """`--sweep x=a:b`: values of forward, of backward, and of the numerical derivative, point by point."""

    name: str
    at: tuple[float, ...]
    forward: tuple[float, ...]
    backward: tuple[float, ...]
    numerical: tuple[float, ...]
