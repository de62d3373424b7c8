"""The memory of a run in the JSON report's shape: under `memory`, beside `findings`. All sizes are bytes."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from gradscope.reporters.schema_v1_places import Location, Number

Phase: TypeAlias = Literal["forward", "backward", "optimizer", "outside"]
StrategyKind: TypeAlias = Literal["none", "every block", "every second block", "selective", "plan"]


class Kinds(msgspec.Struct, frozen=True):
    """What memory is used for: every storage is of one kind."""

    parameters: int = 0
    buffers: int = 0
    inputs: int = 0
    gradients: int = 0
    optimizer_state: int = 0
    saved: int = 0
    temporary: int = 0


class MemoryPeak(msgspec.Struct, frozen=True):
    """The moment of a phase at which most was alive; `kinds` add up to `bytes`. `location`, `module` and `op`
    are of the allocation that reached it, `step` counts the optimizer steps (of a model: the passes) that
    were complete.
    """

    bytes: int
    phase: Phase
    kinds: Kinds
    location: Location | None
    module: str | None
    op: str | None
    step: int


class MemoryModule(msgspec.Struct, frozen=True, gc=False):
    """What the ops of a module save: `own` directly in it, `saved` with the modules inside it. `path` begins
    with the root's name; a tensor that several modules save counts for the first.
    """

    path: str
    class_name: str
    saved: int
    own: int


class MemoryLine(msgspec.Struct, frozen=True):
    """What the ops of one line save, in so many tensors. `ops` are names of backward nodes."""

    location: Location
    saved: int
    tensors: int
    ops: list[str]


class MemoryTensor(msgspec.Struct, frozen=True):
    """`count` equal tensors, `bytes` together, that equal nodes keep at one line: `op` is the node, `name`
    what it calls them. `cheaper` says how to keep less, where a way is known, and `cheaper_by` how many bytes
    less: more than `bytes` where it shortens other rows too, 0 where it is not known.
    """

    op: str
    name: str
    shape: list[int]
    dtype: str
    bytes: int
    count: int
    location: Location | None
    modules: list[str]
    cheaper: str | None
    cheaper_by: int


class UnusedGraph(msgspec.Struct, frozen=True):
    """A graph that `call` built, `count` times, and that no backward used. `bytes` is what the largest keeps,
    `nodes` how many it has. `call` is null in a redacted report.
    """

    location: Location
    call: str | None
    bytes: int
    nodes: int
    count: int


class MemoryMoment(msgspec.Struct, frozen=True, gc=False):
    """A point of the memory curve, the highest of a stretch of the run: what was alive, by kind."""

    seconds: float
    phase: Phase
    parameters: int
    buffers: int
    inputs: int
    gradients: int
    optimizer_state: int
    saved: int
    temporary: int


class Allocator(msgspec.Struct, frozen=True):
    """Peaks of an accelerator's caching allocator; `requested` is before rounding, `fragmentation` the share
    of `reserved` (0..1) that no tensor used, `retries` how often it had to give memory back and try again.
    """

    allocated: int
    reserved: int
    requested: int
    retries: int
    fragmentation: float


class MemoryBlock(msgspec.Struct, frozen=True):
    """A module that can be checkpointed, or the `reason` why it cannot. `saved` is what its forward saves,
    `seconds` how long that takes: null on fake tensors. `options` are "none", "selective" (all but outputs of
    matrix products is recomputed), "block" (all of it is), or the path of a module inside it that is
    checkpointed alone.
    """

    path: str
    class_name: str
    saved: int
    seconds: float | None
    calls: int
    options: list[str]
    reason: str | None


class Strategy(msgspec.Struct, frozen=True):
    """A way of checkpointing, run on the same work; what was not measured is null. `choices` has the option
    of every block. `saved` is what was alive at the end of the forward beyond its start. `time_ratio` is the
    time of a step beside a plain one (on fake tensors: an estimate), `recomputed`
    the share of the forward's time that ran twice (0..1). `different` names the parameters whose gradients
    differ, `largest_difference` is relative, over all of them, and null in a redacted report. `reserved` is
    the allocator's peak, `failure` says why there is no figure.
    """

    kind: StrategyKind
    choices: list[str]
    peak: int | None
    peak_phase: Phase | None
    saved: int | None
    time_ratio: float | None
    recomputed: float | None
    gradients: Literal["reference", "identical", "different", "not reproducible", "not compared"]
    different: list[str]
    largest_difference: Number | None
    predicted_peak: int | None
    predicted_time_ratio: float | None
    reserved: int | None
    failure: str | None


class Plan(msgspec.Struct, frozen=True):
    """The cheapest checkpointing that stays within `budget`; `strategy` is null where there is none. `floor`
    is the lowest peak that any plan reaches, `floor_kinds` what it consists of.
    """

    budget: int
    strategy: Strategy | None
    floor: int
    floor_kinds: Kinds
    assumptions: list[str]


class SweepPoint(msgspec.Struct, frozen=True):
    """Peaks and saved bytes at one size: without checkpointing, and with every block checkpointed."""

    value: int
    plain: int | None
    checkpointed: int | None
    plain_saved: int | None
    checkpointed_saved: int | None
    failure: str | None


class Sweep(msgspec.Struct, frozen=True):
    """The memory curve over the number of blocks, the batch or the sequence; `current` is the model's own
    value, `on_fake` says that fake tensors were used.
    """

    kind: Literal["depth", "batch", "seq"]
    points: list[SweepPoint]
    current: int | None
    on_fake: bool


class Memory(msgspec.Struct, frozen=True):
    """The memory of one run. `peak` is the highest of `peaks`, which has one for each phase that occurred;
    null where nothing was alive. `parameters`, `buffers`, `inputs`, `gradients` and `optimizer_state` are
    totals at the end of a step, `saved` is what the graph keeps at the end of the forward, `python_kept` what
    was alive then and is none of these. `step_seconds` is a plain step. `recommended` is the strategy that
    `code` applies; `code` is null in a redacted report. `not_compared` says why there are no strategies.
    """

    device: str
    is_fake: bool
    peak: MemoryPeak | None
    peaks: list[MemoryPeak]
    parameters: int
    buffers: int
    inputs: int
    gradients: int
    optimizer_state: int
    optimizer: str | None
    saved: int
    python_kept: int
    step_seconds: float | None
    allocator: Allocator | None
    unused: list[UnusedGraph]
    plan: Plan | None
    strategies: list[Strategy]
    recommended: StrategyKind | None
    code: str | None
    not_compared: str | None
    blocks: list[MemoryBlock]
    sweep: Sweep | None
    modules: list[MemoryModule]
    lines: list[MemoryLine]
    largest: list[MemoryTensor]
    curve: list[MemoryMoment]
