"""What was measured when a function's gradients were checked: one `CheckedFunction` for each function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from gradscope.facts.ways import Curve, Ways
from gradscope.finding import Location


class SubjectKind(StrEnum):
    """What is checked."""

    FUNCTION = "function"  # a torch.autograd.Function
    CUSTOM_OP = "custom-op"  # torch.library.custom_op with a registered autograd
    CALLABLE = "callable"  # a plain function that was named
    MODULE = "module"  # an nn.Module that was named: its parameters count among its inputs


class Origin(StrEnum):
    """Where a sample of arguments came from."""

    GIVEN = "given"  # --input, --inputs, or the arguments of gradscope.check
    HOOK = "hook"  # gradscope_inputs in the file
    CAPTURED = "captured"  # the arguments of a call that the program itself made
    INFERRED = "inferred"  # found by trial


class Outcome(StrEnum):
    """How one check ended."""

    PASSED = "passed"
    FAILED = "failed"
    DECLARED = "declared"  # differs from the derivative, as a declaration in the code says
    NOT_APPLICABLE = "not-applicable"
    NOT_CHECKED = "not-checked"  # no time was left, or it could not be told; `detail` says which


GRADIENT: Final = "gradient"
"""The name of the comparison with the numerical derivative itself, beside the checks of `cases`."""

NO_TIME: Final = "no time was left"
"""How the `detail` of a check begins for which the time did not suffice."""

NEEDS_MORE: Final = "it needs more time than it was given from the start"
"""How the `detail` of a check begins that is not even tried in the usual time."""


@dataclass(frozen=True, slots=True)
class CheckOutcome:
    """One check of one function. `detail` is one short line in plain words, without the check's name."""

    check: str
    outcome: Outcome
    detail: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class SampleFact:
    """One set of arguments, as text: "x float64(4, 3), slope 0.1". `source` says where it came from.

    `requires_grad` names the tensors that the program itself wanted a gradient for; empty unless captured.
    """

    text: str
    source: str
    origin: Origin
    requires_grad: tuple[str, ...] = ()


class Cause(StrEnum):
    """Why a backward's gradient is not the derivative of its forward."""

    FORMULA = "formula"
    MISSING = "missing"  # None was returned, or nothing, and the derivative is not 0
    SURROGATE = "surrogate"  # forward is piecewise constant, or the identity: the difference is deliberate
    LOW_PRECISION = "low-precision"  # float32 or less inside: differs by its rounding
    KINK = "kink"  # one-sided derivatives differ here, and the gradient is none of them nor between
    NOT_DIFFERENTIABLE = "not-differentiable"  # the derivative does not exist here (infinite, a jump)


class Pattern(StrEnum):
    """In what way a wrong gradient differs from the right one; the word after it is in `pattern_text`."""

    NONE = ""
    FACTOR = "factor"  # a constant multiple
    SIGN = "sign"
    TRANSPOSE = "transpose"
    MISSING_REDUCTION = "missing-reduction"
    MISSING_GRAD_OUTPUT = "missing-grad-output"  # the incoming gradient is not multiplied in
    ZERO = "zero"
    SWAPPED = "swapped"  # it is the gradient of another input
    OFFSET = "offset"  # right but for a constant that is added
    BOUNDARY = "boundary"  # only the first or last rows, columns or elements are wrong
    ROWS = "rows"  # only some rows (along one dimension) are wrong
    REGION = "region"  # only where the input lies in a certain range


@dataclass(frozen=True, slots=True)
class WrongGradient:
    """A gradient that is not the derivative, at its worst element.

    `input` counts the tensors among the arguments, in order; `element` indexes it, `output_element` the
    output, where that could be told. `analytical` and `numerical` are d output / d input there (for complex
    tensors the real part along the direction that was tried); `uncertainty` is that of `numerical`, in the
    same unit. `wrong` of the `looked_at` elements of this input are wrong; `elements` counts all of
    them where only a sample was looked at, and is 0 otherwise. `condition` says in words
    when ("only where the input is not contiguous"), "" for always. Where `way` is "against", a derivative
    that was written by hand is wrong: `analytical` is what it returned, `numerical` the function's own
    gradient, and `location` its `def`; `against` its name.
    """

    input: int
    input_name: str
    element: tuple[int, ...]
    output: int
    output_element: tuple[int, ...] | None
    analytical: float | None  # None where no gradient was returned
    numerical: float
    uncertainty: float
    cause: Cause
    pattern: Pattern = Pattern.NONE
    pattern_text: str = ""
    wrong: int = 1
    looked_at: int = 1
    elements: int = 0
    condition: str = ""
    way: str = "backward"  # "backward", "jvp", "vmap": which of the function's own methods is wrong
    location: Location | None = None  # of the `def` of a derivative written by hand (way "against")
    against: str = ""  # its name


class ReturnFault(StrEnum):
    """What is wrong with what a backward returned, whatever its values."""

    COUNT = "count"
    SHAPE = "shape"
    DTYPE = "dtype"
    DEVICE = "device"
    TYPE = "type"  # neither a tensor nor None
    FOR_NO_TENSOR = "for-no-tensor"  # a gradient for an argument that is no tensor, or an integer one
    RAISES = "raises"  # backward raised
    CHANGES_COTANGENT = "changes-grad-output"  # backward changed an incoming gradient in place


@dataclass(frozen=True, slots=True)
class WrongReturn:
    """A backward that returns the wrong things. `error` is torch's own message, or the backward's.

    Where `against` is not "", it is the name of a derivative written by hand (`--against`) that does, and
    `location` its `def`.
    """

    fault: ReturnFault
    input: int | None
    input_name: str
    expected: str
    got: str
    condition: str = ""  # "where only `bias` needs a gradient"; "" for always
    error: str = ""
    location: Location | None = None  # where backward raised
    against: str = ""


class DoubleFault(StrEnum):
    """What happens when a gradient is differentiated again."""

    DROPPED = "dropped"  # no graph, no error: the second derivative counts as zero
    WRONG = "wrong"  # a graph, and another value than the numerical derivative
    ONCE = "once"  # declared once_differentiable: the second backward raises, or is dropped


@dataclass(frozen=True, slots=True)
class WrongDouble:
    """A second derivative that is lost or wrong. `declared` says that the backward is once_differentiable.

    `silent` says that a program that differentiates twice gets no error. `used_at` is a line of the program
    that does differentiate this function twice; None where none was seen. `because` is a line that cuts.
    """

    fault: DoubleFault
    input_name: str
    declared: bool
    silent: bool
    analytical: float | None = None
    numerical: float | None = None
    uncertainty: float | None = None
    used_at: Location | None = None
    because: Location | None = None
    because_text: str = ""


@dataclass(frozen=True, slots=True)
class Nondeterminism:
    """A gradient that differs between two backwards of one forward; `difference` is relative, 2-norms.

    `drawn_at` is the line that draws a random number in backward, where one of torch's ops does.
    """

    input_name: str
    difference: float
    elements: int  # that differ
    random: bool  # backward draws random numbers (it is right under a repeated seed)
    drawn_at: Location | None = None


@dataclass(frozen=True, slots=True)
class ContextTensor:
    """A tensor kept as an attribute of `ctx`. `holds` is "input x", "output 0" or "intermediate".

    `leaks` says that it is an output itself: output and graph keep each other alive until the garbage
    collector runs.
    """

    attribute: str
    holds: str
    numel: int
    nbytes: int
    location: Location | None
    escapes: bool  # it is an input or output, so a later in-place change of it goes unnoticed
    changed_at: Location | None = None  # a line of the program that did change it before backward
    leaks: bool = False


@dataclass(frozen=True, slots=True)
class UnmarkedWrite:
    """An input that forward changed in place without mark_dirty.

    `past_version` says that the version counter did not move (`.data`, NumPy). `returned` says that an
    output is this tensor or shares its memory. `matters` says that a gradient depends on it: it is a
    differentiable input, or an output.
    """

    input: int
    input_name: str
    location: Location | None
    past_version: bool
    returned: bool
    matters: bool


@dataclass(frozen=True, slots=True)
class Deviation:
    """The gradient in another dtype or on another device against float64 on the CPU; errors are relative,
    2-norms. `native` is that of the same function without its own backward, None where there is none.
    """

    dtype: str
    device: str
    input_name: str
    error: float
    native: float | None
    excessive: bool


@dataclass(frozen=True, slots=True)
class SavedTensors:
    """What a forward keeps for its backward, in bytes at this sample; `inputs_nbytes` is that of the inputs.

    `unused` names what was saved and whose removal changes no gradient.
    """

    nbytes: int
    inputs_nbytes: int
    tensors: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    unused_nbytes: int = 0


@dataclass(frozen=True, slots=True)
class Declaration:
    """An approximation that the code declares: `# gradscope: approximate[straight-through]`."""

    kind: str
    location: Location


@dataclass(frozen=True, slots=True)
class CheckedFunction:
    """One function and everything that was measured of it.

    `backward` is the line of `def backward` (of the function registered as such for a custom op), None
    where the source is unknown. `failure` says in one sentence why nothing could be checked; the outcomes
    are empty then; `died` says that its code crashed, ended or hung the process. `evaluations` counts calls
    of forward.
    """

    name: str
    kind: SubjectKind
    location: Location | None = None
    forward: Location | None = None
    backward: Location | None = None
    jvp: Location | None = None
    vmap: Location | None = None
    declared: Declaration | None = None
    samples: tuple[SampleFact, ...] = ()
    outcomes: tuple[CheckOutcome, ...] = ()
    wrong_gradients: tuple[WrongGradient, ...] = ()
    wrong_returns: tuple[WrongReturn, ...] = ()
    wrong_doubles: tuple[WrongDouble, ...] = ()
    nondeterminism: tuple[Nondeterminism, ...] = ()
    context_tensors: tuple[ContextTensor, ...] = ()
    unmarked_writes: tuple[UnmarkedWrite, ...] = ()
    deviations: tuple[Deviation, ...] = ()
    saved: SavedTensors | None = None
    ways: Ways | None = None
    curves: tuple[Curve, ...] = ()
    agreement: float | None = None  # the largest relative difference between analytical and numerical
    evaluations: int = 0
    seconds: float = 0.0
    failure: str = ""
    failed_at: Location | None = None
    died: bool = False
    notes: tuple[str, ...] = ()

    @property
    def is_checked(self) -> bool:
        """Whether anything of it could be judged."""
        return not self.failure


@dataclass(frozen=True, slots=True)
class Facts:
    """What one check adds to a `CheckedFunction`: its outcome, and facts by the field they belong to."""

    outcome: CheckOutcome
    wrong_gradients: Sequence[WrongGradient] = ()
    wrong_returns: Sequence[WrongReturn] = ()
    wrong_doubles: Sequence[WrongDouble] = ()
    nondeterminism: Sequence[Nondeterminism] = ()
    context_tensors: Sequence[ContextTensor] = ()
    unmarked_writes: Sequence[UnmarkedWrite] = ()
    deviations: Sequence[Deviation] = ()
    saved: SavedTensors | None = None
    agreement: float | None = None
    notes: Sequence[str] = field(default_factory=tuple)
