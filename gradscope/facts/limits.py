"""What a gate holds a program to, and how its gradients differ from those that a baseline keeps."""

from __future__ import annotations

from dataclasses import dataclass

from gradscope.finding import Location


@dataclass(frozen=True, slots=True)
class Limits:
    """The thresholds of one target; None where there is none.

    `max_norm_ratio`: the largest over the smallest gradient per element (root mean square) among the modules
    of one model that hold trained parameters, in the first backward and in the last. `min_gradient_share`, 0
    to 1: of the trained parameters (tensors), how many got a gradient that is finite and not all zeros.
    `max_saved` and `max_peak`: bytes. `max_relative_error`: between the analytical and the numerical
    derivative of every function and model that is checked.
    `stated_at` is the line of the configuration.
    """

    max_norm_ratio: float | None = None
    min_gradient_share: float | None = None
    max_saved: int | None = None
    max_peak: int | None = None
    max_relative_error: float | None = None
    stated_at: Location | None = None


@dataclass(frozen=True, slots=True)
class GradientDrift:
    """One figure of a parameter's gradient that left the tolerance around what the baseline keeps of it.

    `figure` is "norm" (2-norm, first backward), "last norm", "loss" or "last loss"; of a loss, `parameter` is
    its name, with the function whose backward it is. `now` is None where the parameter gets no gradient any
    more, or none that is not zero; `before` is None where it got none then. `tolerance` is that of the
    figure, relative to the smaller of the two. `registered_at` is the parameter's line, or that of the
    backward.
    """

    parameter: str
    figure: str
    before: float | None
    now: float | None
    tolerance: float = 0.0
    registered_at: Location | None = None

    @property
    def is_loss(self) -> bool:
        """Whether it is the figure of a loss, and not of a parameter."""
        return self.figure.endswith("loss")


@dataclass(frozen=True, slots=True)
class Drift:
    """How a run's gradients differ from a baseline's.

    `tolerance` is that of first backwards, relative. `other_hardware` names what differs from where the
    baseline was written ("torch 2.11.0, not 2.13.0"), for which it was widened by the factor `widened`.
    `compared` counts the figures that were compared. `vanished` are parameters of the baseline that this run
    has not, `new` those that the baseline has not.
    """

    baseline: str
    tolerance: float
    compared: int
    drifts: tuple[GradientDrift, ...] = ()
    other_hardware: tuple[str, ...] = ()
    widened: float = 1.0
    vanished: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
