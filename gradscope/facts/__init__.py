"""What was measured: frozen values that the recorder's folds add up to, and the `Recording` of them.

Facts hold numbers, names and source text as it was run; never a live tensor, never a judgement.
Every field that counts bytes, seconds or elements says so in its name or here.
"""

from gradscope.facts.backwards import Backward, ChainRow, ChainTable
from gradscope.facts.checked_model import CheckedModel, FaultyModule, WrongParameter
from gradscope.facts.checks import (
    GRADIENT,
    NEEDS_MORE,
    NO_TIME,
    Cause,
    CheckedFunction,
    CheckOutcome,
    ContextTensor,
    Declaration,
    Deviation,
    DoubleFault,
    Facts,
    Nondeterminism,
    Origin,
    Outcome,
    Pattern,
    ReturnFault,
    SampleFact,
    SavedTensors,
    SubjectKind,
    UnmarkedWrite,
    WrongDouble,
    WrongGradient,
    WrongReturn,
)
from gradscope.facts.flow import Cut, CutKind, ExitedLeaf, GradWithoutGraph, MissingGraph, SeveredLeaf, Step
from gradscope.facts.graph import AutogradGraph, GraphNode, GraphPlace, NodeKind, SavedTensor
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
from gradscope.facts.ways import Curve, Way, Ways

__all__ = [
    "GRADIENT",
    "NEEDS_MORE",
    "NO_TIME",
    "AutogradGraph",
    "Backward",
    "Cause",
    "ChainRow",
    "ChainTable",
    "Change",
    "CheckOutcome",
    "CheckedFunction",
    "CheckedModel",
    "ClipOrder",
    "ClipOutOfOrder",
    "ContextTensor",
    "Curve",
    "Cut",
    "CutKind",
    "Declaration",
    "Deviation",
    "DoubleFault",
    "ExitedLeaf",
    "Facts",
    "FaultyModule",
    "FlushSite",
    "GradWithoutGraph",
    "GradientGrowth",
    "GradientHook",
    "GradientProfile",
    "GradientStats",
    "GraphNode",
    "GraphPlace",
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
    "NodeKind",
    "Nondeterminism",
    "NonfiniteBirth",
    "NonfiniteForward",
    "NonleafGradRead",
    "OptimizerFact",
    "Origin",
    "Outcome",
    "Pattern",
    "Phase",
    "PhaseKind",
    "ProgramEnd",
    "ProgramError",
    "Rebinding",
    "Recording",
    "RetainedGraph",
    "ReturnFault",
    "SampleFact",
    "SavedTensor",
    "SavedTensors",
    "SecondBackward",
    "SeveredLeaf",
    "SilentMutation",
    "StaleGradient",
    "Step",
    "StepOrder",
    "StepOutOfOrder",
    "SubjectKind",
    "TrainingLoop",
    "UnmarkedWrite",
    "ValueStats",
    "Way",
    "Ways",
    "WrongDouble",
    "WrongGradient",
    "WrongParameter",
    "WrongReturn",
    "ZeroedAt",
]
