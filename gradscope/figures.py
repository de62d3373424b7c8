"""The figures of a run that limits are set on. No torch here.

Each is None, or missing, where the run does not tell it: then no limit on it can be judged.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from gradscope.facts import CheckedFunction, CheckedModel, GradientStats, Leaf, ModuleFact, Recording
from gradscope.facts.checks import Cause, WrongGradient
from gradscope.finding import Location

# ---------------------------------------------------------------- the norms of a model's modules


class Moment(StrEnum):
    """The backward whose gradients are compared."""

    FIRST = "first"
    LAST = "last"


@dataclass(frozen=True, slots=True)
class ModuleNorm:
    """A module's gradient per element (root mean square) over the parameters of its own.

    `name` is its dotted path, the root's name for the root itself, or the name of a tensor in no module.
    """

    name: str
    rms: float
    location: Location | None = None


@dataclass(frozen=True, slots=True)
class NormRatio:
    """The modules of one model with the largest and the smallest gradient per element, in one backward.

    `root` is None for tensors in no module, which are compared with each other. `modules` counts those
    compared, and `median` is of their gradients; those without gradient, or with zeros only, are not among
    them. Where a gradient is not finite, its module is the largest, and `value` is NaN.
    """

    root: str | None
    moment: Moment
    largest: ModuleNorm
    smallest: ModuleNorm
    modules: int
    median: float

    @property
    def odd(self) -> ModuleNorm:
        """Of the two, the one that is further away from the others."""
        if not math.isfinite(self.largest.rms):
            return self.largest
        return self.largest if self.largest.rms * self.smallest.rms > self.median**2 else self.smallest

    @property
    def value(self) -> float:
        """The largest over the smallest."""
        if not math.isfinite(self.largest.rms):
            return math.nan
        return self.largest.rms / self.smallest.rms


def norm_ratios(recording: Recording) -> list[NormRatio]:
    """The worse of first and last backward for every model of which a module got a gradient.

    A first backward that is not finite does not count where the last one is: so a GradScaler begins.
    """
    facts = {(one.root, one.path): one for one in recording.modules}
    groups: dict[str | None, dict[str, list[Leaf]]] = {}
    for leaf in trained(recording):
        if leaf.gradient is not None and leaf.gradient.backwards:
            of_root = groups.setdefault(leaf.root, {})
            of_root.setdefault(leaf.name if leaf.root is None else leaf.module or "", []).append(leaf)
    ratios = []
    for root, modules in groups.items():
        both = [_ratio(root, moment, modules, facts) for moment in Moment]
        known = [one for one in both if one is not None]
        if not known:
            continue
        finite = [one for one in known if not math.isnan(one.value)]
        ratios.append(max(finite, key=lambda one: one.value) if known[-1] in finite else known[-1])
    return ratios


def _ratio(
    root: str | None,
    moment: Moment,
    modules: dict[str, list[Leaf]],
    facts: dict[tuple[str, str], ModuleFact],
) -> NormRatio | None:
    norms = []
    for path, leaves in modules.items():
        rms = _rms(leaves, moment)
        if rms == 0:
            continue
        fact = facts.get((root or "", path))
        registered = fact.registered_at if fact is not None else None
        where = registered or leaves[0].registered_at or leaves[0].made_at
        norms.append(ModuleNorm(path or root or leaves[0].name, rms, where))
    if not norms:
        return None
    norms.sort(key=lambda one: math.inf if math.isnan(one.rms) else one.rms)
    return NormRatio(root, moment, norms[-1], norms[0], len(norms), norms[len(norms) // 2].rms)


def _rms(leaves: list[Leaf], moment: Moment) -> float:
    stats = [(leaf.gradient, leaf.numel) for leaf in leaves if leaf.gradient is not None]
    norms = [one.norm if moment is Moment.FIRST else one.last_norm for one, _ in stats]
    return math.hypot(*norms) / math.sqrt(max(1, sum(numel for _, numel in stats)))


# ---------------------------------------------------------------- who gets a gradient


@dataclass(frozen=True, slots=True)
class GradientShare:
    """The trained parameters, and those of them that got no gradient that could train them.

    `without` got none, `zero` only zeros, `nonfinite` none that is finite, or not in the last backward.
    """

    parameters: tuple[Leaf, ...]
    without: tuple[Leaf, ...]
    zero: tuple[Leaf, ...]
    nonfinite: tuple[Leaf, ...]

    @property
    def failing(self) -> tuple[Leaf, ...]:
        """Those without, in the order of the parameters."""
        names = {leaf.name for leaf in (*self.without, *self.zero, *self.nonfinite)}
        return tuple(leaf for leaf in self.parameters if leaf.name in names)

    @property
    def value(self) -> float:
        """The share of those with a gradient, 0 to 1."""
        return (len(self.parameters) - len(self.failing)) / len(self.parameters)


def gradient_share(recording: Recording) -> GradientShare | None:
    """None where no parameter is trained, or no backward ran."""
    parameters = trained(recording)
    if not parameters or not recording.backward_passes:
        return None
    kinds: dict[str, list[Leaf]] = {"without": [], "zero": [], "nonfinite": []}
    for leaf in parameters:
        kind = _failure(leaf.gradient)
        if kind is not None:
            kinds[kind].append(leaf)
    return GradientShare(
        tuple(parameters), tuple(kinds["without"]), tuple(kinds["zero"]), tuple(kinds["nonfinite"])
    )


def _failure(stats: GradientStats | None) -> str | None:
    if stats is None or not stats.backwards:
        return "without"
    if stats.zero_backwards == stats.backwards:
        return "zero"
    good = stats.backwards - stats.zero_backwards - stats.nonfinite_backwards
    return None if good > 0 and math.isfinite(stats.last_norm) else "nonfinite"


def trained(recording: Recording) -> list[Leaf]:
    """What the program trains: what optimizers own, or else trainable parameters of models that ran.

    Tensors that are no parameters count where they got a gradient and no optimizer says what is trained.
    """
    if recording.optimizers:
        return [leaf for leaf in recording.leaves if leaf.requires_grad and leaf.optimizers]
    return [
        leaf
        for leaf in recording.leaves
        if leaf.requires_grad
        and (leaf.root_called if leaf.root is not None else leaf.is_parameter or leaf.gradient is not None)
    ]


# ---------------------------------------------------------------- the errors of a check


@dataclass(frozen=True, slots=True)
class RelativeError:
    """The largest relative difference between the analytical and the numerical derivative of one function or
    model. `wrong` is its worst element, where gradients were found wrong.
    """

    name: str
    value: float
    location: Location | None
    is_model: bool = False
    wrong: WrongGradient | None = None


def relative_errors(recording: Recording) -> list[RelativeError]:
    """Of everything whose derivatives could be compared, the worst first; a declared approximation is left
    out, and so is a function that is piecewise constant: nobody means the derivative there.
    """
    found = [
        *(one for checked in recording.checked for one in _error_of(checked)),
        *(one for model in recording.checked_models for one in _error_of_model(model)),
    ]
    return sorted(found, key=lambda one: math.inf if math.isnan(one.value) else one.value, reverse=True)


_MEANT = (Cause.SURROGATE, Cause.NOT_DIFFERENTIABLE, Cause.MISSING)


def _error_of(checked: CheckedFunction) -> Iterator[RelativeError]:
    errors: list[tuple[float, WrongGradient | None]] = [
        (_relative(wrong.analytical, wrong.numerical), wrong)
        for wrong in checked.wrong_gradients
        if wrong.cause not in _MEANT and wrong.analytical is not None
    ]
    if checked.agreement is not None:
        errors.append((checked.agreement, None))
    if checked.is_checked and checked.declared is None and errors:
        value, worst = max(errors, key=lambda one: math.inf if math.isnan(one[0]) else one[0])
        where = (worst.location if worst is not None else None) or checked.backward or checked.location
        yield RelativeError(checked.name, value, where, wrong=worst)


def _error_of_model(model: CheckedModel) -> Iterator[RelativeError]:
    if model.is_checked and model.error is not None and not model.deliberate:
        at_fault = model.module.location if model.module is not None else None
        yield RelativeError(model.name, model.error, at_fault or model.location, is_model=True)


def _relative(analytical: float, numerical: float) -> float:
    """The difference over the larger magnitude, 0 to 2; NaN where one is not finite."""
    size = max(abs(analytical), abs(numerical))
    return abs(analytical - numerical) / size if size else 0.0


# ---------------------------------------------------------------- what cannot be judged


def unjudged(recording: Recording) -> list[str]:
    """A sentence for every limit of the recording that its figures do not suffice for, without full stop."""
    limits, memory = recording.limits, recording.memory
    said = []
    if limits.max_norm_ratio is not None and not norm_ratios(recording):
        said.append("max-norm-ratio was not judged: no trained parameter got a gradient that is not zero")
    if limits.min_gradient_share is not None and gradient_share(recording) is None:
        said.append("min-gradient-share was not judged: no backward ran, or nothing is trained")
    if limits.max_saved is not None and memory is None:
        said.append("max-saved was not judged: no memory was measured")
    if limits.max_peak is not None and (memory is None or memory.peak is None):
        said.append("max-peak was not judged: no memory was measured")
    if limits.max_relative_error is not None and not relative_errors(recording):
        said.append("max-relative-error was not judged: no derivative could be compared")
    return said
