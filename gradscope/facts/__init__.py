"""What was measured: frozen values that the recorder's folds add up to, and the `Recording` of them.

Facts hold numbers, names and source text as it was run; never a live tensor, never a judgement.
Every field that counts bytes, seconds or elements says so in its name or here.
"""

from gradscope.facts.backwards import Backward, ChainRow, ChainTable
from gradscope.facts.flow import Cut, CutKind, ExitedLeaf, GradWithoutGraph, MissingGraph, SeveredLeaf, Step
from gradscope.facts.hooks import GradientHook, HookChange, HookEffect, HookKind
from gradscope.facts.inplace import Change, InplaceConflict, InplaceRefused, SilentMutation
from gradscope.facts.leaves import GradientStats, Leaf, ModuleFact, NonleafGradRead, OptimizerFact, Rebinding
from gradscope.facts.lifecycle import RetainedGraph, SecondBackward
from gradscope.facts.numbers import NonfiniteBirth, NonfiniteForward, ValueStats, ZeroedAt
from gradscope.facts.order import ClipOrder, ClipOutOfOrder, StaleGradient, StepOrder, StepOutOfOrder
from gradscope.facts.phases import Phase, PhaseKind, TrainingLoop
from gradscope.facts.precision import FlushSite, HalfGradients, LeafFlush
from gradscope.facts.recording import ProgramEnd, ProgramError, Recording
from gradscope.facts.scale import GradientGrowth, GradientProfile, LayerGradient

__all__ = [
    "Backward",
    "ChainRow",
    "ChainTable",
    "Change",
    "ClipOrder",
    "ClipOutOfOrder",
    "Cut",
    "CutKind",
    "ExitedLeaf",
    "FlushSite",
    "GradWithoutGraph",
    "GradientGrowth",
    "GradientHook",
    "GradientProfile",
    "GradientStats",
    "HalfGradients",
    "HookChange",
    "HookEffect",
    "HookKind",
    "InplaceConflict",
    "InplaceRefused",
    "LayerGradient",
    "Leaf",
    "LeafFlush",
    "MissingGraph",
    "ModuleFact",
    "NonfiniteBirth",
    "NonfiniteForward",
    "NonleafGradRead",
    "OptimizerFact",
    "Phase",
    "PhaseKind",
    "ProgramEnd",
    "ProgramError",
    "Rebinding",
    "Recording",
    "RetainedGraph",
    "SecondBackward",
    "SeveredLeaf",
    "SilentMutation",
    "StaleGradient",
    "Step",
    "StepOrder",
    "StepOutOfOrder",
    "TrainingLoop",
    "ValueStats",
    "ZeroedAt",
]
