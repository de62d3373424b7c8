"""How the program ended, and the whole of what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gradscope.facts.backwards import Backward, ChainTable
from gradscope.facts.checked_model import CheckedModel
from gradscope.facts.checkpoints import RecomputedOp, SeveringCheckpoint
from gradscope.facts.checks import CheckedFunction
from gradscope.facts.flow import ExitedLeaf, GradWithoutGraph, MissingGraph, SeveredLeaf
from gradscope.facts.graph import AutogradGraph
from gradscope.facts.hooks import GradientHook
from gradscope.facts.inplace import InplaceConflict, InplaceRefused, SilentMutation
from gradscope.facts.leaves import Leaf, ModuleFact, NonleafGradRead, OptimizerFact, Rebinding
from gradscope.facts.lifecycle import RetainedGraph, SecondBackward
from gradscope.facts.limits import Drift, Limits
from gradscope.facts.memory import MemoryUse
from gradscope.facts.numbers import NonfiniteBirth, NonfiniteForward, ZeroedAt
from gradscope.facts.order import ClipOutOfOrder, StaleGradient, StepOutOfOrder
from gradscope.facts.phases import TrainingLoop
from gradscope.facts.precision import HalfGradients
from gradscope.facts.scale import GradientGrowth, GradientProfile
from gradscope.finding import Location


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
    exited: tuple[ExitedLeaf, ...] = ()
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
    halves: tuple[HalfGradients, ...] = ()
    gradient_profiles: tuple[GradientProfile, ...] = ()
    gradient_growths: tuple[GradientGrowth, ...] = ()
    chains: tuple[ChainTable, ...] = ()
    hooks: tuple[GradientHook, ...] = ()
    severing_checkpoints: tuple[SeveringCheckpoint, ...] = ()
    recomputed_ops: tuple[RecomputedOp, ...] = ()
    loop: TrainingLoop | None = None
    graph: AutogradGraph | None = None  # by gradscope graph
    memory: MemoryUse | None = None  # by gradscope memory
    checked: tuple[CheckedFunction, ...] = ()  # by gradscope check
    checked_models: tuple[CheckedModel, ...] = ()  # by gradscope check
    limits: Limits = field(default_factory=Limits)  # of gradscope gate
    drift: Drift | None = None  # by gradscope gate, where a baseline keeps gradients
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
