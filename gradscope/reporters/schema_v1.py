"""The JSON report's outer shape, `schema_version` "1". Once released it only grows.

The JSON Schema in `schema-v1.json` is generated from these types; a test holds the two together, and
`pytest --rewrite-golden` writes it anew.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from gradscope.reporters.schema_v1_check import Check
from gradscope.reporters.schema_v1_graph import Graph
from gradscope.reporters.schema_v1_memory import Memory
from gradscope.reporters.schema_v1_places import Location, Number, Related, Scalar


class Note(msgspec.Struct, frozen=True):
    """A labelled paragraph under a finding, such as "because"."""

    heading: str
    text: str


class Consequence(msgspec.Struct, frozen=True):
    """A finding that another one explains."""

    rule: str
    code: str
    severity: Literal["error", "warning", "info"]
    message: str
    location: Location | None


class Suppressed(Consequence, frozen=True):
    """A finding that was silenced, and by what."""

    by: str


class Finding(msgspec.Struct, frozen=True):
    """One cause. `count` is how often it was seen; `evidence` are the rule's own numbers and names."""

    rule: str
    code: str
    severity: Literal["error", "warning", "info"]
    confidence: Literal["certain", "probable"]
    subjects: list[str]
    message: str
    location: Location | None
    label: str
    related: list[Related]
    notes: list[Note]
    evidence: dict[str, Scalar | list[Scalar]]
    fix: str
    count: int
    consequences: list[Consequence]


class ProgramError(msgspec.Struct, frozen=True):
    """The exception that ended the program, with the program's own frames, innermost last."""

    type: str
    message: str
    frames: list[Location]
    traceback: str


class Program(msgspec.Struct, frozen=True):
    """How the program ended. `interrupted` by Ctrl-C; `stopped_after_steps` where --steps stopped it."""

    exit_status: int
    error: ProgramError | None
    interrupted: bool
    stopped_after_steps: int | None


class Backward(msgspec.Struct, frozen=True):
    """All backward passes of one line. Nodes, leaves and `loss` are those of the first, `last_loss` of the
    last; `node_names` counts the nodes of the first by name, most frequent first.
    """

    location: Location | None
    call: Literal["backward", "grad"]
    count: int
    root: str | None
    loss: Number | None
    last_loss: Number | None
    seed: str | None
    create_graph: bool
    nodes: int
    leaves: int
    node_names: dict[str, int]


class Gradient(msgspec.Struct, frozen=True):
    """A leaf's gradient over the run. `norm` is the 2-norm in the first of `backwards` passes, `last_norm`
    in the last; `max_abs`, `zero_share` (0..1), `nan` and `inf` (element counts) are of the first. Values
    are null in a redacted report.
    """

    backwards: int
    zero_backwards: int
    nonfinite_backwards: int
    norm: Number | None
    last_norm: Number | None
    smallest_norm: Number | None
    largest_norm: Number | None
    max_abs: Number | None
    zero_share: Number | None
    nan: int | None
    inf: int | None


class Parameter(msgspec.Struct, frozen=True):
    """A leaf: a parameter of a module, or a tensor the program made. `optimizers` are indices into the
    report's `optimizers`; `gradient` is null where no backward gave it one.
    """

    name: str
    shape: list[int]
    dtype: str
    device: str
    is_parameter: bool
    requires_grad: bool
    root: str | None
    module: str | None
    module_class: str | None
    made_at: Location | None
    optimizers: list[int]
    gradient: Gradient | None


class Module(msgspec.Struct, frozen=True):
    """A module of a root module's tree, in registration order; `path` is "" for the root itself."""

    root: str
    path: str
    class_name: str
    called: int
    training: bool


class Optimizer(msgspec.Struct, frozen=True):
    """An optimizer: where it was made, the leaves it owns, and how often it stepped. `orphans` are owned
    leaves that got no gradient and belong to no module that ran.
    """

    class_name: str
    location: Location | None
    leaves: list[str]
    orphans: list[str]
    steps: int


class Term(msgspec.Struct, frozen=True):
    """A number that belongs to one input of a node: a local derivative, or an outgoing gradient."""

    input: str
    value: Number | None


class ChainRow(msgspec.Struct, frozen=True):
    """A node of a small graph. For an empty `shape` the numbers are values, otherwise 2-norms. A leaf has
    no node, and its outgoing gradient is what this backward added to its `.grad`, over `paths` paths.
    """

    name: str | None
    expression: str | None
    node: str | None
    location: Location | None
    shape: list[int]
    value: Number | None
    local: list[Term]
    incoming: Number | None
    outgoing: list[Term]
    is_leaf: bool
    paths: int


class Chain(msgspec.Struct, frozen=True):
    """The chain rule at work in one backward of a small graph, from the root to the leaves."""

    backward: Location | None
    root: str | None
    value: Number | None
    seed: str | None
    scalar: bool
    times: int
    rows: list[ChainRow]


class HookChange(msgspec.Struct, frozen=True):
    """What a hook did to `count` gradients; `before` and `after` are the 2-norms of the first of them.
    `factor` is what it was multiplied by ("scaled"), or the limit of its elements ("clamped").
    """

    effect: Literal["zeroed", "nan", "inf", "scaled", "clamped", "changed"]
    count: int
    before: Number | None
    after: Number | None
    factor: Number | None


class Hook(msgspec.Struct, frozen=True):
    """A hook of the program's, by the line that registered it: null where it was there before the recorder.
    `on` names leaves, other tensors or modules. It ran on `gradients` of them in the `backwards` that were
    looked at; without `changes` it only looked.
    """

    kind: Literal["tensor", "accumulated", "node", "module", "module-output", "several"]
    function: str
    location: Location | None
    defined_at: Location | None
    on: list[str]
    gradients: int
    backwards: int
    changes: list[HookChange]


class Phase(msgspec.Struct, frozen=True):
    """A line of the training loop: it ran `count` times, in `steps` of the steps. `first` and `last` are the
    loss ("loss"), the 2-norm of all gradients afterwards ("backward", "grad"), the limit ("clip"). `of` is
    the class of the module, optimizer or scheduler, or the op that made the loss.
    """

    kind: Literal[
        "zero",
        "forward",
        "loss",
        "scale",
        "grad",
        "backward",
        "unscale",
        "clip",
        "step",
        "update",
        "schedule",
    ]
    location: Location | None
    of: str
    count: int
    steps: int
    first: Number | None
    last: Number | None


class Loop(msgspec.Struct, frozen=True):
    """The steps of the training loop: `usual` of them in the order of `phases`, which other lines follow.
    There were `orders` different ones (64 at most). `left_out` lines are not listed.
    """

    steps: int
    usual: int
    orders: int
    phases: list[Phase]
    left_out: int


class Report(msgspec.Struct, frozen=True):
    """What a command found, and the facts behind it. `check`, `graph` and `memory` are null where another
    command ran, `graph` also where there was none to take, `memory` where nothing was measured.
    """

    schema_version: Literal["1"]
    gradscope: str
    torch: str
    device: str
    command: str
    target: str
    redacted: bool
    findings: list[Finding]
    program: Program
    steps: int
    backward_passes: int
    backwards: list[Backward]
    parameters: list[Parameter]
    modules: list[Module]
    optimizers: list[Optimizer]
    chains: list[Chain]
    hooks: list[Hook]
    loop: Loop | None
    check: Check | None
    graph: Graph | None
    memory: Memory | None
    notes: list[str]
    not_seen: list[str]
    suppressed: list[Suppressed]


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of `Report`."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "gradscope report, schema_version 1",
        **msgspec.json.schema(Report),
    }
