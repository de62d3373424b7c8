"""What `gradscope check` measured, in the JSON report's shape: under `check`, beside `findings`."""

from __future__ import annotations

import msgspec

from gradscope.reporters.schema_v1_functions import CheckedFunction
from gradscope.reporters.schema_v1_places import Location, Number


class WrongParameter(msgspec.Struct, frozen=True):
    """A parameter or input whose gradient is not the derivative: both along one random direction of it alone,
    with the `uncertainty` of `numerical`. `analytical` is null where it got no gradient; all three are null
    in a redacted report.
    """

    name: str
    analytical: Number | None
    numerical: Number | None
    uncertainty: Number | None


class FaultyModule(msgspec.Struct, frozen=True):
    """The innermost module whose backward is at fault, "" for the model itself. `between` says that the
    modules in it are right and its own forward is not.
    """

    name: str
    class_name: str
    location: Location | None
    between: bool


class CheckedModel(msgspec.Struct, frozen=True):
    """One model, differentiated in float64 along random `directions`. `parameters` counts tensors,
    `elements` what they hold, `looked_at` those that were checked one by one; `error` is relative. `wrong`
    are the gradients that are not the derivative, the ones nearest to the output last, `unreached` the
    parameters that got none although the objective depends on them. `low_precision` are lines that were
    carried out in float64 for the check, unless `is_exact` is false.
    """

    name: str
    class_name: str
    location: Location | None
    objective: str
    parameters: int
    elements: int
    inputs: list[str]
    directions: int
    error: Number | None
    looked_at: int
    wrong: list[WrongParameter]
    unreached: list[WrongParameter]
    module: FaultyModule | None
    function: CheckedFunction | None
    deliberate: bool
    low_precision: list[Location]
    is_exact: bool
    forwards: int
    seconds: float
    failure: str
    died: bool
    notes: list[str]


class Check(msgspec.Struct, frozen=True):
    """Every function and model that `gradscope check` looked at, also those that it could not check."""

    functions: list[CheckedFunction]
    models: list[CheckedModel]
