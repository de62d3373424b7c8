"""What a program keeps in memory, when it peaks, and what checkpointing would change.

All sizes are bytes. Memory is counted by storage: tensors that share one count once. "saved" is what the
autograd graph keeps for the backward, parameters, buffers and inputs apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from gradscope.finding import Location


class MemoryPhase(StrEnum):
    """What the program was doing."""

    FORWARD = "forward"
    BACKWARD = "backward"
    OPTIMIZER = "optimizer"
    OUTSIDE = "outside"  # none of them: building the model, reading data, before the first forward


class MemoryKind(StrEnum):
    """What memory is used for. Every storage is of one kind, the first that fits."""

    PARAMETER = "parameters"
    BUFFER = "buffers"
    INPUT = "inputs"  # given to the model from outside
    GRADIENT = "gradients"  # the .grad of leaves
    OPTIMIZER_STATE = "optimizer state"
    SAVED = "saved for backward"
    OTHER = "temporary"


@dataclass(frozen=True, slots=True)
class MemoryPeak:
    """The moment at which most was alive. `kinds` add up to `size`.

    `location`, `module` and `op` are of the allocation that reached it.
    """

    size: int
    phase: MemoryPhase
    kinds: Mapping[MemoryKind, int] = field(default_factory=dict)
    location: Location | None = None
    module: str | None = None
    op: str | None = None
    step: int = 0  # optimizer steps (of a model: passes) that were complete


@dataclass(frozen=True, slots=True)
class ModuleMemory:
    """What the ops of a module save: `own` directly in it, `saved` with the modules inside it.

    `path` begins with the root's name ("model.h.0.attn"). A tensor that several modules save counts for the
    first.
    """

    path: str
    class_name: str
    saved: int
    own: int


@dataclass(frozen=True, slots=True)
class LineMemory:
    """What the ops of one line save, all modules together. `ops` are names of backward nodes."""

    location: Location
    saved: int
    tensors: int
    ops: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SavedAt:
    """Equal tensors that equal nodes save at one line: `name` is what the node calls it ("self", "result").

    `modules` are the paths of the modules it happened in, `size` is that of all `count` together.
    `cheaper` says how to keep less, where a way is known, and `cheaper_by` how many bytes less; that may be
    more than `size` where the way shortens other rows too.
    """

    op: str
    name: str
    shape: tuple[int, ...]
    dtype: str
    size: int
    count: int
    location: Location | None = None
    modules: tuple[str, ...] = ()
    cheaper: str | None = None
    cheaper_by: int = 0


@dataclass(frozen=True, slots=True)
class UnusedGraph:
    """A graph that a call built and that no backward ever used: it should have run under `no_grad`.

    `size` is what one such graph keeps, the largest of `count`; `call` is what made it ("model(...)").
    """

    location: Location
    call: str
    size: int
    nodes: int
    count: int


@dataclass(frozen=True, slots=True)
class Moment:
    """A point of the memory curve: seconds since the start, and bytes alive by kind."""

    seconds: float
    phase: MemoryPhase
    kinds: Mapping[MemoryKind, int]


@dataclass(frozen=True, slots=True)
class AllocatorUse:
    """The figures of the accelerator's caching allocator for the same run.

    `allocated` and `reserved` are peaks since the process began. `requested` is the peak of what was asked
    for before rounding.
    """

    allocated: int
    reserved: int
    requested: int
    retries: int

    @property
    def fragmentation(self) -> float:
        """The share of the reserved memory that no tensor used when most of it was used, 0 to 1."""
        return 1 - self.allocated / self.reserved if self.reserved else 0.0


@dataclass(frozen=True, slots=True)
class Block:
    """A module that can be checkpointed, or `reason` why it cannot.

    `saved` is what its forward saves, `seconds` how long its forward takes (None on fake tensors).
    `options` are what a plan can choose for it: "none", "selective", "block", or the path, below the block,
    of a module inside it that is checkpointed alone.
    """

    path: str
    class_name: str
    saved: int
    seconds: float | None
    calls: int = 1
    options: tuple[str, ...] = ("none", "block")
    reason: str | None = None


class StrategyKind(StrEnum):
    """The ways of checkpointing that are set side by side."""

    NONE = "none"
    EVERY_BLOCK = "every block"
    EVERY_SECOND = "every second block"
    SELECTIVE = "selective"
    PLAN = "plan"


class Gradients(StrEnum):
    """The gradients of a strategy beside those without checkpointing, from the same random state."""

    REFERENCE = "reference"
    IDENTICAL = "identical"  # bit by bit
    DIFFERENT = "different"
    NOT_REPRODUCIBLE = "not reproducible"  # two plain steps differ already
    NOT_COMPARED = "not compared"  # on fake tensors, or the reference could not be run


@dataclass(frozen=True, slots=True)
class Strategy:
    """One way of checkpointing, run on the same work. What was not measured is None.

    `choices` is the option of every block, in the order of `MemoryUse.blocks`. `saved` is what was alive at
    the end of the forward beyond its start. `time_ratio` is the median of steps measured in turn with plain
    ones (on fake tensors: an estimate), `recomputed` the share of the forward's
    time that ran twice. `predicted_*` is what the planner expected. `failure` says why there is no figure.
    """

    kind: StrategyKind
    choices: tuple[str, ...]
    peak: int | None = None
    peak_phase: MemoryPhase | None = None
    saved: int | None = None
    time_ratio: float | None = None
    recomputed: float | None = None
    gradients: Gradients = Gradients.NOT_COMPARED
    different: tuple[str, ...] = ()  # names of parameters whose gradients differ
    largest_difference: float | None = None  # relative, over all parameters
    predicted_peak: int | None = None
    predicted_time_ratio: float | None = None
    reserved: int | None = None  # the allocator's peak, on an accelerator
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """The cheapest checkpointing that stays within `budget`, None where there is none.

    `floor` is the lowest peak that any plan reaches, and `floor_kinds` what it consists of.
    `code` applies the plan; `assumptions` are what it rests on.
    """

    budget: int
    strategy: Strategy | None
    floor: int
    floor_kinds: Mapping[MemoryKind, int] = field(default_factory=dict)
    assumptions: tuple[str, ...] = ()


class SweepKind(StrEnum):
    """What a sweep varies."""

    DEPTH = "depth"
    BATCH = "batch"
    SEQ = "seq"


@dataclass(frozen=True, slots=True)
class SweepPoint:
    """Peaks at one size: without checkpointing, and with every block checkpointed. `failure` says why not."""

    value: int
    plain: int | None = None
    checkpointed: int | None = None
    plain_saved: int | None = None
    checkpointed_saved: int | None = None
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class Sweep:
    """The memory curve over depth (blocks), batch or sequence length; `current` is the model's own value."""

    kind: SweepKind
    points: tuple[SweepPoint, ...]
    current: int | None = None
    on_fake: bool = True


@dataclass(frozen=True, slots=True)
class MemoryUse:
    """The memory of one run, and what was compared. `not_compared` says why nothing was.

    `peaks` has the highest moment of every phase that occurred; the highest of all is `peak`. `parameters`,
    `buffers`, `inputs`, `gradients` and `optimizer_state` are totals at the end of a step, `saved` is what
    the graph keeps at the end of the forward. `python_kept` was alive then too and is none of these: caches,
    outputs that a variable holds. `step_seconds` is a plain step. `code` applies the strategy `recommended`.
    """

    device: str
    peaks: tuple[MemoryPeak, ...]
    parameters: int = 0
    buffers: int = 0
    inputs: int = 0
    gradients: int = 0
    optimizer_state: int = 0
    optimizer: str | None = None
    saved: int = 0
    python_kept: int = 0
    modules: tuple[ModuleMemory, ...] = ()
    lines: tuple[LineMemory, ...] = ()
    largest: tuple[SavedAt, ...] = ()
    unused: tuple[UnusedGraph, ...] = ()
    curve: tuple[Moment, ...] = ()
    allocator: AllocatorUse | None = None
    is_fake: bool = False
    step_seconds: float | None = None
    blocks: tuple[Block, ...] = ()
    strategies: tuple[Strategy, ...] = ()
    plan: Plan | None = None
    sweep: Sweep | None = None
    code: str | None = None
    recommended: StrategyKind | None = None
    not_compared: str | None = None

    @property
    def peak(self) -> MemoryPeak | None:
        """The highest moment of all, None where nothing was alive."""
        return max(self.peaks, key=lambda peak: peak.size, default=None)
