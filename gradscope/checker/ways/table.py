"""The ways of differentiating side by side: symbolic, numerical, forward mode, reverse mode."""

from __future__ import annotations

import importlib.util
import math
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor
from torch.autograd import forward_ad

from gradscope.checker.duals import make_dual, unpack_dual
from gradscope.checker.point import Deadline, OutOfTime, Point
from gradscope.checker.raised import raised
from gradscope.checker.ways import jacobians
from gradscope.checker.ways.jacobians import Place, flat, places
from gradscope.facts.checks import NO_TIME
from gradscope.facts.ways import Way, Ways

MOST_INPUTS = 64
MOST_OUTPUTS = 1024
POWERS = tuple(range(1, 13))
"""The numerical derivatives are taken with steps of 1e-1 to 1e-12, absolute."""

_MOST_COLUMNS = 8
"""Input elements along which errors are measured, spread evenly."""

_NO_JVP = "not defined: the Function has no jvp"
_PLAUSIBLE = 1e-4
"""An automatic derivative further than this, relatively, from every numerical one is not taken for exact."""


@dataclass(frozen=True, slots=True)
class _Measured:
    """A Jacobian, or why there is none, and the seconds it took."""

    jacobian: Tensor | None
    seconds: float | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class _Difference:
    """A numerical derivative with one step size, at some columns."""

    power: int
    jacobian: Tensor

    @property
    def step(self) -> float:
        return 10.0**-self.power


def ways(point: Point, deadline: Deadline) -> Ways | None:
    """Differentiates one small function in every way; None where it has more than `MOST_INPUTS` input or
    `MOST_OUTPUTS` output elements, complex inputs, or values that are not finite, or where no time is left.

    Errors are relative (2-norm, over at most eight input elements) to the most exact way that can be had:
    the closed form, or else an automatic mode that agrees with the numerical derivative, or else the
    numerical one, which has no error then.
    """
    inputs = len(places(point))
    if not 0 < inputs <= MOST_INPUTS or any(tensor.is_complex() for tensor in point.tensors):
        return None
    here = flat(point.values())
    outputs = here.numel()
    if not 0 < outputs <= MOST_OUTPUTS or not bool(torch.isfinite(here).all()):
        return None
    reverse = _timed(partial(jacobians.reverse_mode, point, deadline), deadline)
    chosen = places(point, _MOST_COLUMNS)
    central = _differences(jacobians.central, point, deadline, chosen)
    one_sided = _differences(jacobians.one_sided, point, deadline, chosen)
    symbolic = _symbolic(point, deadline)
    forward = _forward(point, deadline)
    measured = (reverse, forward, symbolic)
    if not central and all(one.jacobian is None for one in measured):
        return None
    scale = _Scale(point, chosen, symbolic, forward, reverse, central)
    rows = (
        _automatic("symbolic", None, symbolic, scale, ""),
        _numerical("one-sided", inputs + 1, jacobians.one_sided, one_sided, point, deadline, scale),
        _numerical("central", 2 * inputs, jacobians.central, central, point, deadline, scale),
        _automatic("forward mode", inputs, forward, scale, f"{inputs} forward with tangents"),
        _automatic("reverse mode", 1 + outputs, reverse, scale, f"1 forward + {outputs} backward"),
    )
    steps = [(one.step, scale.error(one.jacobian)) for one in central if scale.is_exact]
    return Ways(inputs, outputs, rows, tuple(step for step in steps if math.isfinite(step[1])))


# ---------------------------------------------------------------- how exact they are


class _Scale:
    """What errors are relative to: the most exact Jacobian, at the chosen columns."""

    def __init__(
        self,
        point: Point,
        chosen: list[Place],
        symbolic: _Measured,
        forward: _Measured,
        reverse: _Measured,
        central: list[_Difference],
    ) -> None:
        every = places(point)
        self._columns = [every.index(place) for place in chosen]
        self._count = len(every)
        self.is_exact = True
        self.jacobian: Tensor | None = None
        if symbolic.jacobian is not None:
            self.jacobian = self._at(symbolic.jacobian)
            return
        for measured in (forward, reverse):
            if measured.jacobian is not None:
                self.jacobian = self._at(measured.jacobian)
                if any(self.error(one.jacobian) < _PLAUSIBLE for one in central):
                    return
        self.is_exact = False
        self.jacobian = _steadiest(central)

    def error(self, jacobian: Tensor) -> float:
        """The relative distance from the most exact one (absolute where that is 0); NaN without one."""
        if self.jacobian is None:
            return math.nan
        norm = float(self.jacobian.norm())
        return float((self._at(jacobian) - self.jacobian).norm()) / (norm or 1.0)

    def _at(self, jacobian: Tensor) -> Tensor:
        is_whole = jacobian.shape[1] == self._count
        return jacobian[:, self._columns] if is_whole else jacobian


def _steadiest(differences: list[_Difference]) -> Tensor | None:
    """The one that its neighbour with a step ten times larger agrees with best."""
    pairs = pairwise(differences)
    gaps = [(float((b.jacobian - a.jacobian).norm()), b.power) for a, b in pairs]
    gaps = [gap for gap in gaps if math.isfinite(gap[0])]
    if not gaps:
        return None
    return next(one.jacobian for one in differences if one.power == min(gaps)[1])


# ---------------------------------------------------------------- the rows


def _automatic(name: str, passes: int | None, measured: _Measured, scale: _Scale, text: str) -> Way:
    there = measured.jacobian is not None
    error = scale.error(measured.jacobian) if measured.jacobian is not None else None
    return Way(
        name, passes if there else None, measured.seconds, error, exact=True, text=measured.text or text
    )


_Compute = Callable[[Point, float, Deadline, list[Place]], Tensor]


def _numerical(
    kind: str,
    passes: int,
    compute: _Compute,
    differences: list[_Difference],
    point: Point,
    deadline: Deadline,
    scale: _Scale,
) -> Way:
    """The row of a numerical derivative: at its best step, timed for the whole gradient."""
    errors = {one.power: scale.error(one.jacobian) for one in differences}
    told = {power: error for power, error in errors.items() if not math.isnan(error)}
    if not told:
        text = NO_TIME if deadline.is_over else "does not apply: forward is not finite around the point"
        return Way(f"numerical ({kind})", None, None, None, exact=False, text=text)
    best = min(told, key=lambda power: told[power])
    whole = _timed(partial(compute, point, 10.0**-best, deadline, places(point)), deadline)
    return Way(
        f"numerical ({kind}, h=1e-{best})",
        passes,
        whole.seconds,
        told[best] if scale.is_exact else None,
        exact=False,
        text=f"{passes} forward" if scale.is_exact else f"{passes} forward; the others are compared with it",
    )


def _differences(
    compute: _Compute, point: Point, deadline: Deadline, chosen: list[Place]
) -> list[_Difference]:
    """The derivatives for every step size; those for which the function raises are left out."""
    found = []
    for power in POWERS:
        try:
            found.append(_Difference(power, compute(point, 10.0**-power, deadline, chosen)))
        except OutOfTime:
            break
        except Exception:  # noqa: BLE001  outside of its domain the user's forward may raise anything
            continue
    return found


def _symbolic(point: Point, deadline: Deadline) -> _Measured:
    if importlib.util.find_spec("sympy") is None:
        return _Measured(None, text="does not apply: sympy is not installed")
    if deadline.is_over:
        return _Measured(None, text=NO_TIME)
    # Imported here: that takes half a second, and only small functions need it.
    from gradscope.checker.ways.symbolic import closed_form

    began = time.perf_counter()
    try:
        found = closed_form(point, deadline)
    except Exception as error:  # noqa: BLE001  sympy gives up on some forms with errors of many kinds
        found = f"sympy raises {type(error).__name__}"
    if isinstance(found, str):
        return _Measured(None, text=f"does not apply: {found}")
    return _Measured(found.jacobian, time.perf_counter() - began, found.text)


def _forward(point: Point, deadline: Deadline) -> _Measured:
    function = point.subject.function
    if function is not None and function.jvp is torch.autograd.Function.jvp:
        return _Measured(None, text=_NO_JVP)
    if deadline.is_over:
        return _Measured(None, text=NO_TIME)
    _load_forward_mode()
    return _timed(partial(jacobians.forward_mode, point, deadline), deadline)


def _load_forward_mode() -> None:
    """torch loads its formulas for dual numbers at their first use, for a second: not a function's cost."""
    with warnings.catch_warnings(), forward_ad.dual_level():
        warnings.simplefilter("ignore")  # torch warns of its own use of torch.jit.script
        one = torch.ones((), dtype=torch.float64)
        unpack_dual(make_dual(one, one) * one)


def _timed(way: Callable[[], Tensor], deadline: Deadline) -> _Measured:
    """The shortest of three runs; of fewer where one takes more than a twentieth of the time that is left."""
    shortest = math.inf
    jacobian: Tensor | None = None
    for _ in range(3):
        began = time.perf_counter()
        try:
            jacobian = way()
        except OutOfTime:
            break
        except Exception as error:  # noqa: BLE001  the user's methods may raise anything
            return _Measured(None, text=_reason(error))
        shortest = min(shortest, time.perf_counter() - began)
        if shortest > deadline.left() / 20:
            break
    return _Measured(None, text=NO_TIME) if jacobian is None else _Measured(jacobian, shortest)


def _reason(error: Exception) -> str:
    text = raised(error)
    if "jvp" in text:
        return _NO_JVP
    if "forward AD" in text or "forward mode AD" in text:
        return "not defined: an op in it has no forward mode"
    return f"raises {text}"
