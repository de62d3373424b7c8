"""What was measured: frozen values that the recorder's folds add up to, and the `Recording` of them.

Facts hold numbers, names and source text as it was run; never a live tensor, never a judgement.
Every field that counts bytes, seconds or elements says so in its name or here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from gradscope.finding import Location

# ---------------------------------------------------------------- values that flow


class CutKind(StrEnum):
    """How a value went on while its gradient stopped."""

    DETACH = "detach"
    DATA = "data"
    NO_GRAD = "no_grad"
    INFERENCE_MODE = "inference_mode"
    PYTHON_NUMBER = "python-number"  # item(), float(), int(), tolist() and back into a tensor
    NUMPY = "numpy"
    NEW_TENSOR = "new-tensor"  # torch.tensor(x), torch.as_tensor(list of tensors), torch.Tensor(...)
    NEW_PARAMETER = "new-parameter"  # nn.Parameter(x): a fresh leaf holding x's value
    INTEGER = "integer"  # argmax, comparison, cast to an integer or bool dtype
    GRAD_CALL = "grad-call"  # the result of autograd.grad without create_graph, or a .grad read
    CHECKPOINT = "checkpoint"  # a reentrant checkpoint that saw no input requiring a gradient
    NOT_DIFFERENTIABLE = "not-differentiable"  # any other op whose result does not require grad


@dataclass(frozen=True, slots=True)
class Step:
    """One op on a value's way from a leaf to the loss: its name and its line."""

    op: str
    location: Location | None
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Cut:
    """An op whose input carried gradient and whose output does not.

    `block` is the line of the `with torch.no_grad()` (or `set_grad_enabled(False)`, or the call of
    a decorated function) in force, for NO_GRAD and INFERENCE_MODE. `resumed` is where the value came
    back into a tensor (`torch.tensor(x)`, `from_numpy`), for PYTHON_NUMBER and NUMPY. `certain` is
    False where the way through Python or NumPy was inferred from names in the source.
    """

    kind: CutKind
    op: str
    location: Location | None
    block: Location | None = None
    resumed: Location | None = None
    certain: bool = True


@dataclass(frozen=True, slots=True)
class SeveredLeaf:
    """A leaf whose value reaches a loss only through cuts, and that no backward gave a gradient.

    `cuts` are those on the way with fewest cuts, nearest the leaf first; `path` goes from the leaf to
    the loss.
    """

    leaf: str
    cuts: tuple[Cut, ...]
    path: tuple[Step, ...]
    backward: Location | None


@dataclass(frozen=True, slots=True)
class MissingGraph:
    """A backward (or `autograd.grad`) on a tensor that requires no gradient and has no grad_fn.

    `frozen` says that the value depends on tensors none of which requires a gradient; `cuts` are the
    cuts on the way from the nearest leaf, empty where the value never met a trainable leaf.
    """

    location: Location | None
    call: str  # "backward" or "grad"
    cuts: tuple[Cut, ...]
    path: tuple[Step, ...]
    grad_disabled: Location | None
    ended_program: bool


@dataclass(frozen=True, slots=True)
class GradWithoutGraph:
    """`autograd.grad` without create_graph whose result became a term of a loss.

    `used` is where the result joined the loss, `backward` the backward that could not reach through.
    """

    location: Location | None
    used: Location | None
    backward: Location | None
    inputs: tuple[str, ...]
    count: int = 1


# ---------------------------------------------------------------- parameters and other leaves


@dataclass(frozen=True, slots=True)
class GradientStats:
    """What was seen of one leaf's gradient over the run.

    `backwards` counts the backward passes that gave it one, `zero_backwards` those in which every
    element was exactly 0. `norm` is the 2-norm in the first backward, `last_norm` in the last;
    `max_abs`, `zero_share` (0..1), `nan` and `inf` (element counts) belong to the first backward, and
    `nonfinite_backwards` counts those with any NaN or Inf.
    """

    backwards: int = 0
    zero_backwards: int = 0
    norm: float = 0.0
    last_norm: float = 0.0
    smallest_norm: float = 0.0
    largest_norm: float = 0.0
    max_abs: float = 0.0
    zero_share: float = 0.0
    nan: int = 0
    inf: int = 0
    nonfinite_backwards: int = 0


@dataclass(frozen=True, slots=True)
class Leaf:
    """A tensor that gradients are accumulated into: a parameter of a module, or one the program made.

    `name` is unique in the recording: the dotted parameter name (with the root module's name before it
    when there are several roots), or the variable's name. `root` is the root module it is registered
    in, None where it is in none; `root_called` says that this root's forward ran under grad mode in a
    step that had a backward. `stored_in` names the attribute that holds it where it is not registered
    ("Net.heads['age']"), `stored_at` the line that assigned that attribute. `made_at` is where the
    tensor or the module that owns it was created, `registered_at` where it was registered.
    `optimizers` indexes `Recording.optimizers`. `zero_at_start` says that all its values were exactly
    0 before the first backward. `replaced_at` is the line that replaced it in its module.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    device: str
    is_parameter: bool
    requires_grad: bool
    root: str | None = None
    module: str | None = None
    module_class: str | None = None
    module_called: bool = False
    unused_module: str | None = None  # the outermost module around it of which no part was called
    root_called: bool = False
    root_training: bool = True
    called_inside: str | None = None  # the root whose forward called the module that owns it
    alive: bool = True
    reached: bool = False  # in the graph of some backward, also of one that raised
    used: bool = False  # an op took it in
    made_at: Location | None = None
    registered_at: Location | None = None
    stored_in: str | None = None
    stored_at: Location | None = None
    replaced_at: Location | None = None
    optimizers: tuple[int, ...] = ()
    zero_at_start: bool = False
    gradient: GradientStats | None = None

    @property
    def numel(self) -> int:
        """How many elements."""
        count = 1
        for size in self.shape:
            count *= size
        return count


@dataclass(frozen=True, slots=True)
class ModuleFact:
    """One module of a root module's tree, in registration order. `path` is "" for the root itself."""

    root: str
    path: str
    class_name: str
    called: int = 0
    training: bool = True


@dataclass(frozen=True, slots=True)
class OptimizerFact:
    """One optimizer: its class, the line that constructed it, the leaves it owns now, its steps.

    `orphans` names owned leaves (or describes them: "tensor (64, 32)") that no backward gave a gradient
    and that are registered in no root module that ran: what a stale optimizer is left with.
    """

    class_name: str
    location: Location | None
    leaves: tuple[str, ...]
    orphans: tuple[str, ...] = ()
    steps: int = 0


@dataclass(frozen=True, slots=True)
class Rebinding:
    """A statement that gave a leaf's name to a tensor computed from it (`w = w - lr * w.grad`).

    `read_at` is the later `.grad` read of the new, non-leaf tensor; `optimizer_at` the optimizer that
    refused it ("can't optimize a non-leaf Tensor"); `leaf_lost` says that nothing holds the leaf any more.
    """

    location: Location | None
    name: str
    op: str
    read_at: Location | None = None
    optimizer_at: Location | None = None
    leaf_lost: bool = False
    leaf_had_gradient: bool = False
    count: int = 1
    ended_program: bool = False


@dataclass(frozen=True, slots=True)
class NonleafGradRead:
    """A `.grad` read of a tensor that is not a leaf and was not asked to retain its gradient."""

    location: Location | None
    name: str | None
    made_by: str | None
    made_at: Location | None
    count: int = 1
    ended_program: bool = False


# ---------------------------------------------------------------- in-place changes


@dataclass(frozen=True, slots=True)
class Change:
    """One in-place change of a storage: the op (or "SGD.step"), its line, the version it left."""

    op: str
    location: Location | None
    version: int


@dataclass(frozen=True, slots=True)
class InplaceConflict:
    """A saved tensor that was changed in place before the backward that needed it (torch raised).

    `node` is the backward node that saved it as `saved` ("result", "self", ...), at `saved_at`;
    `changes` the in-place ops since, oldest first.
    """

    node: str
    saved: str
    saved_at: Location | None
    shape: tuple[int, ...]
    dtype: str
    version: int
    expected_version: int
    changes: tuple[Change, ...]
    backward: Location | None
    subject: str | None = None
    ended_program: bool = False


@dataclass(frozen=True, slots=True)
class InplaceRefused:
    """An in-place op that torch refused: on a leaf, on a view of one, or on a view it cannot track.

    `kind` is "leaf", "leaf-view" or "view"; `view_made_at` is where the view was made.
    """

    kind: str
    op: str
    location: Location | None
    message: str
    subject: str | None = None
    view_op: str | None = None
    view_made_at: Location | None = None
    ended_program: bool = False


@dataclass(frozen=True, slots=True)
class SilentMutation:
    """A saved tensor whose memory changed past its version counter: the gradient is silently wrong.

    `how` is "data", "set_", "storage" or "numpy". Where the exact line could not be seen (a NumPy
    write), `location` is inferred, `after` and `before` bracket it and `exact` is False. `array_first`
    says that the tensor was made over an array of the program's, and not the array over a tensor.
    """

    how: str
    op: str
    location: Location | None
    node: str
    saved_at: Location | None
    backward: Location | None
    subject: str | None = None
    exact: bool = True
    after: Location | None = None
    before: Location | None = None
    count: int = 1
    array_first: bool = False


# ---------------------------------------------------------------- lifecycle


@dataclass(frozen=True, slots=True)
class SecondBackward:
    """A backward through a graph that an earlier one had freed (torch raised).

    `carriers` are the lines that took a tensor of the old graph into the new one, the first one
    first; empty where the very same graph was walked again. `freed_by` is the earlier backward.
    `recurrent` says that the line of the old tensor ran again since: one step hands it to the next.
    `stepped` says that an optimizer stepped in between. `built_by` is the statement that built the old
    graph where that came before the loop of the backward.
    """

    location: Location | None
    freed_by: Location | None
    carriers: tuple[Step, ...]
    node: str | None
    node_at: Location | None
    subject: str | None = None
    ended_program: bool = False
    recurrent: bool = True
    stepped: bool = True
    built_by: Location | None = None


@dataclass(frozen=True, slots=True)
class RetainedGraph:
    """Graphs of old steps that something still holds.

    `holder` names what holds the tensor ("meter.total", "history.records"), `kept_at` the statement
    that stores it there, `made_at` the op that made the held tensor. `steps` is how many old steps were
    alive at once.
    """

    holder: str | None
    kept_at: Location | None
    made_at: Location | None
    op: str | None
    steps: int
    accumulated: bool  # a running sum (one tensor over a growing graph), not a list of tensors
    exact: bool = True


# ---------------------------------------------------------------- the order of a training step


@dataclass(frozen=True, slots=True)
class StaleGradient:
    """A backward that added to gradients which an earlier step had used and nothing had zeroed.

    `location` is that backward, `step` the step that then used the sum, `left_by` the backward whose
    gradients were still there, `zeroed_at` where these gradients are zeroed at another time. Where the
    owner had not stepped in between, and another optimizer had, `other_step` is that one's step. Leaves
    that the program steps itself have no `step` and no `optimizer`. `count` is how many steps used such
    a sum, of the `steps` seen there.
    """

    location: Location | None
    step: Location | None
    optimizer: str | None
    leaves: tuple[str, ...]
    left_by: Location | None = None
    other_step: Location | None = None
    zeroed_at: Location | None = None
    count: int = 1
    steps: int = 0


class ClipOrder(StrEnum):
    """When gradients were clipped that should not have been then."""

    BEFORE_BACKWARD = "before-backward"
    AFTER_STEP = "after-step"
    BEFORE_UNSCALE = "before-unscale"
    BETWEEN_BACKWARDS = "between-backwards"


@dataclass(frozen=True, slots=True)
class ClipOutOfOrder:
    """A call that clips gradients at the wrong time; `backward` and `step` are those it should lie between.

    `scale` is the loss scale of a gradient that was still multiplied by it.
    """

    kind: ClipOrder
    location: Location | None
    backward: Location | None = None
    step: Location | None = None
    scale: float | None = None
    count: int = 1


class StepOrder(StrEnum):
    """What was wrong with the time of a step."""

    NO_GRADIENT = "no-gradient"  # every gradient None, at every step
    ZEROED = "zeroed"  # what backward gave was zeroed before the step, at every step
    INSIDE_PASS = "inside-pass"  # between a forward and its backward
    PAST_SCALER = "past-scaler"  # gradients still multiplied by the loss scale
    SCHEDULER_FIRST = "scheduler-first"  # the scheduler stepped before the optimizer did


@dataclass(frozen=True, slots=True)
class StepOutOfOrder:
    """Steps at one line that came at the wrong time.

    `location` is the step, that of the scheduler for SCHEDULER_FIRST. `backward` is the backward (or
    the `autograd.grad`) concerned, `other` the zeroing line for ZEROED, the optimizer's step for
    SCHEDULER_FIRST. `grad_call` says that `backward` is an `autograd.grad`, which fills no `.grad`.
    """

    kind: StepOrder
    location: Location | None
    optimizer: str
    backward: Location | None = None
    other: Location | None = None
    grad_call: bool = False
    scale: float | None = None
    count: int = 1


# ---------------------------------------------------------------- NaN, Inf, zero


@dataclass(frozen=True, slots=True)
class ValueStats:
    """Statistics of one tensor at one moment: element counts, and the extremes of the finite part.

    `zero_at` lists up to four index tuples of zeros, `nonfinite_at` of NaN or Inf, as text "[0, 3]".
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    numel: int
    zeros: int
    nan: int
    inf: int
    smallest: float | None
    largest: float | None
    zero_at: tuple[str, ...] = ()
    nonfinite_at: tuple[str, ...] = ()
    repeated: int = 0  # elements that repeat a neighbour after sorting (equal eigenvalues)


@dataclass(frozen=True, slots=True)
class NonfiniteBirth:
    """A backward node that got finite gradients and gave a NaN or Inf: where it was born.

    `saved` are its saved tensors as they were then; `incoming` the gradient it got; `outgoing` the one
    it gave. `reached` names the leaves that ended up non-finite through it, `masked_at` where it was
    multiplied or selected away when it reached none. `spread` are the first nodes after it. `becomes`
    is the node that turned an Inf into NaN. `step` counts backwards from 1; `exact` is False where the
    node hooks were off when it happened and a later pass was looked at instead. `origin` is "node"; or
    "sum" where the gradients of several edges, each fine or infinite, add up to it on the way into
    `node`; "seed" where the gradient given to `backward` was already non-finite; "hook" where a tensor
    hook in front of `node` must have made it. `reached` may name "result 0 of autograd.grad".
    """

    kind: str  # "nan" or "inf", what was born
    final: str  # "nan" or "inf", what the leaves got
    node: str
    location: Location | None
    incoming: ValueStats | None
    outgoing: ValueStats | None
    saved: tuple[ValueStats, ...]
    reached: tuple[str, ...]
    trainable: int  # how many leaves this backward reaches in all
    backward: Location | None
    step: int
    masked_at: Step | None = None
    becomes: Step | None = None
    spread: tuple[Step, ...] = ()
    exact: bool = True
    count: int = 1
    origin: str = "node"


@dataclass(frozen=True, slots=True)
class NonfiniteForward:
    """The first forward op whose result had a NaN or an unintended Inf on the way to a non-finite loss.

    `inputs` and `output` are statistics of its tensors. `given` says that an input of it was already
    non-finite when the program handed it in (data, or a parameter), rather than being computed: then
    `source` names that input.
    """

    kind: str  # "nan" or "inf"
    op: str
    location: Location | None
    inputs: tuple[ValueStats, ...]
    output: ValueStats | None
    loss: str  # the loss as text, "nan" or "inf"
    backward: Location | None
    step: int
    source: str | None = None
    spread: tuple[Step, ...] = ()
    exact: bool = True
    count: int = 1


@dataclass(frozen=True, slots=True)
class ZeroedAt:
    """A backward node that got a gradient with non-zero elements and gave only zeros.

    `leaves` are those whose gradient was exactly 0 because of it in every backward that gave them one.
    `factor_zero` says that a saved factor was all zeros (`* 0.0`, a zero-initialised weight), named by
    `factor`; `constant_factor` that the factor is a number written in the source (the `0.0 * x.sum()` trick).
    """

    node: str
    op: str | None
    location: Location | None
    leaves: tuple[str, ...]
    saved: tuple[ValueStats, ...]
    backwards: int
    factor: str | None = None
    factor_is_leaf: bool = False
    constant_factor: bool = False


# ---------------------------------------------------------------- backwards and the chain rule


@dataclass(frozen=True, slots=True)
class Backward:
    """All backward passes of one line: how often it ran, and what its first one walked.

    `roots` are the names of what was differentiated; `seed` the gradient given to a non-scalar root.
    """

    location: Location | None
    call: str  # "backward" or "grad"
    count: int
    nodes: int
    leaves: int
    loss: float | None
    last_loss: float | None
    root: str | None = None
    seed: str | None = None
    create_graph: bool = False
    node_names: tuple[tuple[str, int], ...] = ()  # (node name, how many), most frequent first


@dataclass(frozen=True, slots=True)
class ChainRow:
    """One line of the chain-rule table: a node of a small graph, in the order backward visits it.

    `expression` is the source text ("a + 1"), `name` the variable it was assigned to. Scalars are in
    `value`, `incoming`, `outgoing`; for anything larger they are the 2-norms and `shape` is not empty.
    `local` are (input name, local derivative) pairs, one for each input that needs a gradient; for
    non-scalars the derivative is None. A leaf has no `node`; its `outgoing` is what is in `.grad` from
    this backward, and `paths` how many edges were summed.
    """

    name: str | None
    expression: str | None
    node: str | None
    location: Location | None
    shape: tuple[int, ...]
    value: float | None
    local: tuple[tuple[str, float | None], ...]
    incoming: float | None
    outgoing: tuple[tuple[str, float | None], ...]
    is_leaf: bool = False
    paths: int = 1


@dataclass(frozen=True, slots=True)
class ChainTable:
    """The chain rule at work in one backward of a small graph, from the root to the leaves."""

    backward: Location | None
    root: str | None
    value: float | None
    seed: str | None
    scalar: bool
    rows: tuple[ChainRow, ...]
    times: int = 1


# ---------------------------------------------------------------- the program and the whole


@dataclass(frozen=True, slots=True)
class ProgramError:
    """The exception that ended the program, with its own frames only (innermost last)."""

    type: str
    message: str
    frames: tuple[Location, ...]
    rendered: str  # the traceback as text, trimmed to the program's frames


@dataclass(frozen=True, slots=True)
class ProgramEnd:
    """How the program ended: its exit status, its error, and whether we or the user stopped it."""

    exit_status: int = 0
    error: ProgramError | None = None
    interrupted: bool = False
    stopped_after_steps: int | None = None


@dataclass(frozen=True, slots=True)
class Recording:
    """Everything that was measured in one run: what rules judge and reporters show."""

    program: ProgramEnd = field(default_factory=ProgramEnd)
    device: str = "cpu"
    torch_version: str = ""
    ops: int = 0
    steps: int = 0  # optimizer steps
    backward_passes: int = 0
    backwards: tuple[Backward, ...] = ()
    modules: tuple[ModuleFact, ...] = ()
    leaves: tuple[Leaf, ...] = ()
    optimizers: tuple[OptimizerFact, ...] = ()
    severed: tuple[SeveredLeaf, ...] = ()
    missing_graphs: tuple[MissingGraph, ...] = ()
    grads_without_graph: tuple[GradWithoutGraph, ...] = ()
    rebindings: tuple[Rebinding, ...] = ()
    nonleaf_grad_reads: tuple[NonleafGradRead, ...] = ()
    inplace_conflicts: tuple[InplaceConflict, ...] = ()
    inplace_refused: tuple[InplaceRefused, ...] = ()
    silent_mutations: tuple[SilentMutation, ...] = ()
    second_backwards: tuple[SecondBackward, ...] = ()
    retained_graphs: tuple[RetainedGraph, ...] = ()
    stale_gradients: tuple[StaleGradient, ...] = ()
    clips_out_of_order: tuple[ClipOutOfOrder, ...] = ()
    steps_out_of_order: tuple[StepOutOfOrder, ...] = ()
    births: tuple[NonfiniteBirth, ...] = ()
    nonfinite_forwards: tuple[NonfiniteForward, ...] = ()
    zeroed: tuple[ZeroedAt, ...] = ()
    chains: tuple[ChainTable, ...] = ()
    notes: tuple[str, ...] = ()  # explanations that are not findings ("ran in float32: ...")
    not_seen: tuple[str, ...] = ()
    sources: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # path -> lines, as run

    def leaf(self, name: str) -> Leaf | None:
        """The leaf of that name, or None."""
        return next((leaf for leaf in self.leaves if leaf.name == name), None)

    def line(self, location: Location | None) -> str:
        """The source line at `location`, without its newline; empty where the source is unknown."""
        if location is None:
            return ""
        lines = self.sources.get(location.path, ())
        return lines[location.line - 1] if 0 < location.line <= len(lines) else ""
