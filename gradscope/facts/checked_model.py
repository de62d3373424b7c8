"""What was measured when the gradients of a whole `nn.Module` were checked: one `CheckedModel`."""

from __future__ import annotations

from dataclasses import dataclass

from gradscope.facts.checks import CheckedFunction
from gradscope.finding import Location


@dataclass(frozen=True, slots=True)
class WrongParameter:
    """A parameter (or a floating-point input) whose gradient is not the derivative.

    `analytical` and `numerical` are derivatives along one random direction of this parameter alone, of
    `objective`; `uncertainty` is that of `numerical`, in the same unit. `analytical` is None where the
    parameter was given no gradient at all.
    """

    name: str
    analytical: float | None
    numerical: float
    uncertainty: float

    @property
    def ratio(self) -> float | None:
        """Analytical over numerical; None where there is no gradient or the derivative is 0."""
        if self.analytical is None or self.numerical == 0.0:
            return None
        return self.analytical / self.numerical


@dataclass(frozen=True, slots=True)
class FaultyModule:
    """The innermost module whose backward is at fault: the gradient of what it returns is right, and that
    of what it is given, or of a parameter of its own, is not.

    `name` is its dotted path ("" for the whole model), `type_name` its class, `location` the `def` of its
    forward. `between` says that the modules in it are right, and its own forward's code is not.
    """

    name: str
    type_name: str
    location: Location | None
    between: bool = False


@dataclass(frozen=True, slots=True)
class CheckedModel:
    """One model and everything that was measured of it, in float64.

    `parameters` counts the tensors that were differentiated (shared ones once, frozen ones not), `elements`
    what they hold; `inputs` names the inputs that were differentiated as well. `directions` counts the
    random directions over all of them, `error` is the largest difference between the analytical and the
    numerical derivative along one, relative to the analytical one's typical size; None where none settled.
    `looked_at` counts parameters and inputs that were checked one by one: there are parameters + inputs.

    `wrong` is in order of use, the ones nearest to the output last. `unreached` are parameters that got no
    gradient although the objective depends on them. `module` and `function` say whose backward is at fault,
    where that was found; `function` is a custom Function called by that module. `deliberate` says that what
    differs is a surrogate gradient, a declared one, or a stop that is a part of the model's design.

    `low_precision` are the lines of the model that turned float64 into a lower precision: for the check
    they were carried out in float64, unless `is_exact` is False. `failure` says in one sentence why nothing
    could be checked, `died` that its code crashed, ended or hung the process.
    """

    name: str
    type_name: str = ""
    location: Location | None = None
    objective: str = ""
    parameters: int = 0
    elements: int = 0
    inputs: tuple[str, ...] = ()
    directions: int = 0
    error: float | None = None
    looked_at: int = 0
    wrong: tuple[WrongParameter, ...] = ()
    unreached: tuple[WrongParameter, ...] = ()
    module: FaultyModule | None = None
    function: CheckedFunction | None = None
    deliberate: bool = False
    low_precision: tuple[Location, ...] = ()
    is_exact: bool = True
    forwards: int = 0
    seconds: float = 0.0
    failure: str = ""
    died: bool = False
    notes: tuple[str, ...] = ()

    @property
    def is_checked(self) -> bool:
        """Whether anything of it could be judged."""
        return not self.failure
