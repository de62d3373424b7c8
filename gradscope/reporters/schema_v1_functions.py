"""A function that `gradscope check` looked at, in the JSON report's shape."""

from __future__ import annotations

from typing import Literal

import msgspec

from gradscope.reporters.schema_v1_places import Location, Number


class CheckSample(msgspec.Struct, frozen=True):
    """One set of arguments that a function was checked on: "x float64(4, 3), eps 0.1". `requires_grad` names
    the tensors that a captured call wanted a gradient for.
    """

    text: str
    source: str
    origin: Literal["given", "hook", "captured", "inferred"]
    requires_grad: list[str]


class CheckOutcome(msgspec.Struct, frozen=True):
    """One check of one function, and how it ended."""

    check: str
    outcome: Literal["passed", "failed", "declared", "not-applicable", "not-checked"]
    detail: str
    seconds: float


class WrongGradient(msgspec.Struct, frozen=True):
    """A gradient that is not the derivative, at its worst element. `input` counts the tensors among the
    arguments, from 0; `element` indexes it, `output_element` the output of that number. `analytical` is what
    backward gave, `numerical` the measured derivative with its `uncertainty`, all three null in a redacted
    report; `analytical` is null too where no gradient was returned. `wrong` of `looked_at` elements of this
    input are wrong; `elements` counts all of them where only a sample was looked at, and is 0 otherwise.
    `way` says which of the function's own methods gave it: "backward", "jvp", "vmap"; where it is "against",
    the derivative called `against`, written by hand at `location`, is wrong, and `numerical` is the
    function's own gradient.
    """

    input: int
    input_name: str
    element: list[int]
    output: int
    output_element: list[int] | None
    analytical: Number | None
    numerical: Number | None
    uncertainty: Number | None
    cause: Literal["formula", "missing", "surrogate", "low-precision", "kink", "not-differentiable"]
    pattern: Literal[
        "",
        "factor",
        "sign",
        "transpose",
        "missing-reduction",
        "missing-grad-output",
        "zero",
        "swapped",
        "offset",
        "boundary",
        "rows",
        "region",
    ]
    pattern_text: str
    wrong: int
    looked_at: int
    elements: int
    condition: str
    way: str
    location: Location | None
    against: str


class WrongReturn(msgspec.Struct, frozen=True):
    """A backward that returned something of the wrong number, shape, dtype, device or type, or raised; where
    `against` is not "", the derivative of that name, written by hand, did.
    """

    fault: Literal[
        "count", "shape", "dtype", "device", "type", "for-no-tensor", "raises", "changes-grad-output"
    ]
    input: int | None
    input_name: str
    expected: str
    got: str
    condition: str
    error: str
    location: Location | None
    against: str


class WrongDouble(msgspec.Struct, frozen=True):
    """A second derivative that is lost or wrong. `silent` says that a program that differentiates twice gets
    no error, `used_at` where this one does so, `because` is a line that cuts.
    """

    fault: Literal["dropped", "wrong", "once"]
    input_name: str
    declared: bool
    silent: bool
    analytical: Number | None
    numerical: Number | None
    uncertainty: Number | None
    used_at: Location | None
    because: Location | None
    because_text: str


class Nondeterminism(msgspec.Struct, frozen=True):
    """A gradient that differs between two backwards of one forward: by `difference` (relative, 2-norms), in
    so many `elements`. `random` says that backward draws random numbers, `drawn_at` on which line.
    """

    input_name: str
    difference: Number | None
    elements: int
    random: bool
    drawn_at: Location | None


class ContextTensor(msgspec.Struct, frozen=True):
    """A tensor kept as an attribute of `ctx`. `escapes` says that it is an input or an output, `leaks` that
    it is an output itself, which keeps the graph alive.
    """

    attribute: str
    holds: str
    numel: int
    nbytes: int
    location: Location | None
    escapes: bool
    changed_at: Location | None
    leaks: bool


class UnmarkedWrite(msgspec.Struct, frozen=True):
    """An input that forward changed in place without `mark_dirty`. `past_version` says that the version
    counter did not move, `returned` that an output shares its memory, `matters` that a gradient depends on
    it.
    """

    input: int
    input_name: str
    location: Location | None
    past_version: bool
    returned: bool
    matters: bool


class Deviation(msgspec.Struct, frozen=True):
    """The gradient in another dtype or on another device against float64 on the CPU: `error` is relative
    (2-norms), `native` that of the same function without its own backward.
    """

    dtype: str
    device: str
    input_name: str
    error: Number | None
    native: Number | None
    excessive: bool


class SavedTensors(msgspec.Struct, frozen=True):
    """What forward keeps for backward, in bytes; `unused` is what no gradient needs."""

    nbytes: int
    inputs_nbytes: int
    tensors: list[str]
    unused: list[str]
    unused_nbytes: int


class Declaration(msgspec.Struct, frozen=True):
    """An approximation that a comment in the code declares."""

    kind: str
    location: Location


class Way(msgspec.Struct, frozen=True):
    """One way of differentiating: `passes` counts evaluations of the function for a whole gradient or
    Jacobian, `error` is relative to the most exact way (2-norm).
    """

    name: str
    passes: int | None
    seconds: float | None
    error: Number | None
    exact: bool
    text: str


class Step(msgspec.Struct, frozen=True):
    """The relative error of the central difference at one step size."""

    size: Number
    error: Number


class Ways(msgspec.Struct, frozen=True):
    """The ways of differentiating side by side. `inputs` and `outputs` count elements."""

    inputs: int
    outputs: int
    ways: list[Way]
    steps: list[Step]


class Curve(msgspec.Struct, frozen=True):
    """`--sweep x=a:b`: forward, backward and the numerical derivative at the points `at`."""

    name: str
    at: list[Number]
    forward: list[Number]
    backward: list[Number]
    numerical: list[Number]


class CheckedFunction(msgspec.Struct, frozen=True):
    """One function and what was measured of it. `failure` says why nothing could be checked, "" where it
    could, and `died` that its code crashed, ended or hung the process. `agreement` is the largest relative
    difference between backward and the numerical derivative; `evaluations` counts calls of forward,
    `seconds` are those of all checks.
    """

    name: str
    kind: Literal["function", "custom-op", "callable", "module"]
    location: Location | None
    forward: Location | None
    backward: Location | None
    jvp: Location | None
    vmap: Location | None
    declared: Declaration | None
    samples: list[CheckSample]
    outcomes: list[CheckOutcome]
    wrong_gradients: list[WrongGradient]
    wrong_returns: list[WrongReturn]
    wrong_doubles: list[WrongDouble]
    nondeterminism: list[Nondeterminism]
    context_tensors: list[ContextTensor]
    unmarked_writes: list[UnmarkedWrite]
    deviations: list[Deviation]
    saved: SavedTensors | None
    ways: Ways | None
    curves: list[Curve]
    agreement: Number | None
    evaluations: int
    seconds: float
    failure: str
    failed_at: Location | None
    died: bool
    notes: list[str]
