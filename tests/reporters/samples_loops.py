"""Hand-made reports of training loops: their phases, and the hooks that change gradients."""

from __future__ import annotations

import math

from gradscope.facts import (
    Backward,
    GradientHook,
    HookChange,
    HookEffect,
    HookKind,
    Phase,
    PhaseKind,
    Recording,
    TrainingLoop,
)
from gradscope.finding import Finding, Location, Severity
from gradscope.report import Report

from .samples import LIBRARY, Source, linear, modules, report, sources

_TRAIN = Source(
    "train.py",
    """
def halve(gradient):
    return gradient / 2

model.encoder.register_full_backward_hook(reverse)
for parameter in model.parameters():
    parameter.register_hook(halve)

for step, batch in enumerate(loader):
    for part in batch.split(16):
        loss = criterion(model(part.inputs), part.targets) / accumulate
        loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0, error_if_nonfinite=True)
    optimizer.step()
    torch.nn.utils.clip_grad_value_(
        model.parameters(), 0.5
    )
    scheduler.step()
    optimizer.zero_grad()
    if step % 50 == 0:
        probe = model(batch.inputs)
""",
    first_line=31,
)


def _phase(
    kind: PhaseKind, piece: str, of: str = "", count: int = 400, steps: int = 400, **values: float
) -> Phase:
    return Phase(kind, _TRAIN.at(piece), of, count, steps, values.get("first"), values.get("last"))


def training_loop() -> Report:
    """Gradient accumulation, with a clip after the step, and hooks on every parameter."""
    late = _TRAIN.at("torch.nn.utils.clip_grad_value_(")
    late = Location(late.path, late.line, late.column, late.line + 2, 6)
    backward = _TRAIN.at("loss.backward()")
    phases = (
        _phase(PhaseKind.FORWARD, "model(part.inputs)", "Classifier", count=1600),
        _phase(
            PhaseKind.LOSS,
            "criterion(model(part.inputs), part.targets) / accumulate",
            "div",
            count=1600,
            first=0.5778,
            last=0.0173,
        ),
        _phase(PhaseKind.BACKWARD, "loss.backward()", count=1600, first=1.31, last=math.inf),
        _phase(
            PhaseKind.CLIP,
            "torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0, error_if_nonfinite=True)",
            first=1.0,
            last=1.0,
        ),
        _phase(PhaseKind.STEP, "optimizer.step()", "AdamW"),
        Phase(PhaseKind.CLIP, late, "", 400, 400, 0.5, 0.5),
        _phase(PhaseKind.SCHEDULE, "scheduler.step()", "OneCycleLR"),
        _phase(PhaseKind.ZERO, "optimizer.zero_grad()"),
        _phase(PhaseKind.FORWARD, "model(batch.inputs)", "Classifier", count=8, steps=8),
        _phase(PhaseKind.FORWARD, "probe = model(batch.inputs)", "Classifier", count=120, steps=100),
    )
    finding = Finding(
        "GS502",
        "clip-order",
        Severity.ERROR,
        "the gradients are clipped after the step has used them",
        location=late,
        label="clips what the step of line 43 has used",
    )
    hooks = (
        GradientHook(
            HookKind.TENSOR,
            "halve",
            _TRAIN.at("parameter.register_hook(halve)"),
            Location(_TRAIN.path, 31),
            ("encoder.weight", "encoder.bias", "head.weight", "head.bias"),
            80,
            20,
            (
                HookChange(HookEffect.SCALED, 79, 1.31, 0.655, 0.5),
                HookChange(HookEffect.NAN, 1, 3.0, math.nan),
            ),
        ),
        GradientHook(
            HookKind.MODULE,
            "reverse",
            _TRAIN.at("model.encoder.register_full_backward_hook(reverse)"),
            None,
            ("encoder",),
            20,
            20,
            (HookChange(HookEffect.SCALED, 20, 0.1, 0.1, -1.0),),
        ),
        GradientHook(
            HookKind.ACCUMULATED,
            "log",
            None,
            Location(LIBRARY, 12),
            ("head.bias",),
            20,
            20,
            (HookChange(HookEffect.ZEROED, 20, 0.1, 0.0),),
        ),
        GradientHook(HookKind.SEVERAL, "look", _TRAIN.at("loss.backward()"), None, (), 20, 20),
    )
    recording = Recording(
        steps=400,
        backward_passes=1600,
        backwards=(Backward(backward, "backward", 1600, 21, 4, 0.5778, 0.0173, root="loss"),),
        modules=modules("model", "Classifier", {"encoder": "Linear", "head": "Linear"}),
        leaves=(*linear("encoder", (4, 8), 1.2, root="model"), *linear("head", (8, 1), 0.5, root="model")),
        loop=TrainingLoop(400, 310, 4, phases, left_out=1),
        hooks=hooks,
        sources=sources(_TRAIN),
    )
    return report(recording, finding)


def loop_in_a_library() -> Report:
    """A trainer of an installed package: its lines, by the package's name."""
    phases = (
        Phase(PhaseKind.FORWARD, _TRAIN.at("model(batch.inputs)"), "Classifier", 3, 3),
        Phase(PhaseKind.LOSS, Location(LIBRARY, 51), "mse_loss", 3, 3, 2.0, 1.0),
        Phase(PhaseKind.BACKWARD, Location(LIBRARY, 60), "", 3, 3, 1e-9, 4e12),
        Phase(PhaseKind.STEP, None, "SGD", 3, 3),
    )
    recording = Recording(
        steps=3,
        backward_passes=3,
        backwards=(Backward(Location(LIBRARY, 60), "backward", 3, 11, 4, 2.0, 1.0),),
        loop=TrainingLoop(3, 3, 1, phases),
        sources=sources(_TRAIN),
    )
    return report(recording)
