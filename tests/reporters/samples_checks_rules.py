"""Hand-made reports of checks: one of every rule from GS601 to GS606, and a wrong gradient in a model."""

from __future__ import annotations

from dataclasses import replace

from gradscope.facts import (
    Cause,
    CheckedModel,
    CheckOutcome,
    ContextTensor,
    DoubleFault,
    FaultyModule,
    Nondeterminism,
    Outcome,
    Pattern,
    Recording,
    ReturnFault,
    UnmarkedWrite,
    WrongDouble,
    WrongGradient,
    WrongParameter,
    WrongReturn,
)
from gradscope.finding import Confidence, Finding, Location, Note, Related, Severity
from gradscope.report import Report

from .samples import HOME, Source, sources
from .samples_checks import check, function, inferred, outcomes

_NORM = Source(
    "layers/norm.py",
    """
class LayerNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, eps):
        ctx.x = x
        mean = x.mean(-1, keepdim=True)
        x_hat = (x - mean) * (x.var(-1, keepdim=True, unbiased=False) + eps).rsqrt()
        ctx.save_for_backward(x_hat)
        return x_hat

    @staticmethod
    def backward(ctx, g):
        (x_hat,) = ctx.saved_tensors
        std = ctx.x.std(-1, keepdim=True)
        return (g - g.mean(-1, keepdim=True)) / std, None
""",
    first_line=48,
)

_SCALE = Source(
    "layers/scale.py",
    """
class Scale(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight):
        ctx.save_for_backward(x, weight)
        x.mul_(weight)
        return x

    @staticmethod
    @once_differentiable
    def backward(ctx, g):
        x, weight = ctx.saved_tensors
        weight = F.dropout(weight.detach(), 0.1)
        return g * weight, g * x
""",
    first_line=5,
)


def _failed(detail: str, name: str) -> CheckOutcome:
    return CheckOutcome(name, Outcome.FAILED, detail)


def _layer_norm() -> tuple[object, list[Finding]]:
    wrong = WrongGradient(
        0,
        "x",
        (2, 7),
        0,
        (2, 7),
        0.73118,
        0.71552,
        3.1e-11,
        Cause.FORMULA,
        Pattern.ROWS,
        "every row is off",
        28,
        32,
    )
    checked = function(
        "LayerNorm",
        48,
        location=_NORM.at("class LayerNorm(torch.autograd.Function):"),
        forward=_NORM.at("def forward"),
        backward=_NORM.at("def backward"),
        samples=inferred("x float64(4, 8), eps 1e-05"),
        outcomes=outcomes(gradient=_failed("input x", "gradient"), ctx_attributes=_failed("ctx.x", "ctx")),
        wrong_gradients=(wrong,),
        context_tensors=(ContextTensor("x", "input x", 32, 256, _NORM.at("ctx.x = x"), escapes=True),),
        agreement=None,
    )
    gradient = Finding(
        "GS601",
        "wrong-gradient",
        Severity.ERROR,
        "backward of LayerNorm gives a wrong gradient for x: 28 of 32 elements",
        _NORM.at("def backward"),
        label="at x[2, 7] it gives 0.73118, and the derivative is 0.71552 +- 3e-11",
        subjects=("x",),
        related=(
            Related(
                _NORM.at("return (g - g.mean(-1, keepdim=True)) / std, None"),
                "the wrong gradient is returned here",
            ),
        ),
        notes=(
            Note("pattern", "every row is off, by a term that sums to 0 over the row"),
            Note("agrees", "nothing else: x is the only input that has a gradient"),
        ),
        evidence={"function": "LayerNorm", "input": "x", "analytical": 0.73118, "numerical": 0.71552},
    )
    attribute = Finding(
        "GS605",
        "ctx-attribute-save",
        Severity.WARNING,
        "LayerNorm keeps its input x as ctx.x, where a later in-place change of it goes unnoticed",
        _NORM.at("ctx.x = x"),
        subjects=("ctx.x",),
        evidence={"function": "LayerNorm", "nbytes": 256},
        fix="ctx.save_for_backward(x, x_hat)",
    )
    return checked, [gradient, attribute]


def _scale() -> tuple[object, list[Finding]]:
    backward = _SCALE.at("def backward")
    checked = function(
        "Scale",
        5,
        location=_SCALE.at("class Scale(torch.autograd.Function):"),
        forward=_SCALE.at("def forward"),
        backward=backward,
        samples=inferred("x float64(4, 3), weight float64(3,)"),
        outcomes=outcomes(
            gradient=_failed("input weight", "gradient"),
            returns=_failed("gradient of weight has shape (4, 3)", "returns"),
            double_backward=_failed("dropped for x", "double backward"),
            determinism=_failed("weight", "determinism"),
        ),
        wrong_returns=(WrongReturn(ReturnFault.SHAPE, 1, "weight", "(3,)", "(4, 3)"),),
        wrong_doubles=(
            WrongDouble(DoubleFault.ONCE, "x", True, True, used_at=Location(f"{HOME}/train.py", 77)),
        ),
        nondeterminism=(Nondeterminism("x", 0.11, 12, random=True),),
        unmarked_writes=(UnmarkedWrite(0, "x", _SCALE.at("x.mul_(weight)"), False, True, True),),
        agreement=None,
    )
    of = {"function": "Scale"}
    return checked, [
        Finding(
            "GS602",
            "wrong-backward-arity",
            Severity.ERROR,
            "backward of Scale returns a gradient of shape (4, 3) for weight, which is (3,)",
            backward,
            subjects=("weight",),
            related=(Related(_SCALE.at("return g * weight, g * x"), "returned here"),),
            evidence=of,
            fix="sum it over dimension 0: (g * x).sum(0)",
        ),
        Finding(
            "GS603",
            "double-backward",
            Severity.ERROR,
            "the second derivative of Scale is silently 0, and the program uses it",
            backward,
            related=(Related(Location(f"{HOME}/train.py", 77, 9), "differentiated twice here"),),
            evidence=of,
        ),
        Finding(
            "GS604",
            "nondeterministic-backward",
            Severity.WARNING,
            "backward of Scale draws random numbers: two backwards of one forward differ by 11%",
            backward,
            confidence=Confidence.PROBABLE,
            evidence=of,
        ),
        Finding(
            "GS606",
            "missing-mark-dirty",
            Severity.ERROR,
            "forward of Scale changes x in place and does not say so",
            _SCALE.at("x.mul_(weight)"),
            label="changed here, without ctx.mark_dirty(x)",
            evidence=of,
            fix="ctx.mark_dirty(x)",
        ),
    ]


def checks_every_rule() -> Report:
    """Two functions with everything wrong, and one that shares the backward of the first."""
    norm, first = _layer_norm()
    scale, second = _scale()
    heir = replace(norm, name="RMSNorm", location=Location(_NORM.path, 70))  # type: ignore[type-var]
    return check(
        norm,  # type: ignore[arg-type]
        heir,
        scale,  # type: ignore[arg-type]
        function("Swish", 90),
        target="layers",
        findings=tuple(sorted((*first, *second), key=lambda each: (-each.severity.rank, each.code))),
        sources=sources(_NORM, _SCALE),
    )


def checks_model() -> Report:
    """A model in which two gradients are wrong, and whose fault is one custom Function; and a healthy one."""
    norm, (wrong, _) = _layer_norm()
    model = CheckedModel(
        "Net",
        "Net",
        Location(f"{HOME}/model.py", 12),
        objective="mean of the output, weighted at random",
        parameters=14,
        elements=120_320,
        inputs=("x",),
        directions=3,
        error=0.021,
        looked_at=15,
        wrong=(
            WrongParameter("blocks.0.proj.weight", 0.4129, 0.3981, 4e-10),
            WrongParameter("blocks.0.proj.bias", -1.771, -1.7, 4e-10),
        ),
        unreached=(WrongParameter("scale", None, 0.031, 1e-10),),
        module=FaultyModule("blocks.0.norm", "FastNorm", Location(f"{HOME}/model.py", 30)),
        function=norm,  # type: ignore[arg-type]
        low_precision=(Location(f"{HOME}/model.py", 33),),
        forwards=80,
        seconds=1.4,
    )
    healthy = CheckedModel(
        "Head", "Head", Location(f"{HOME}/model.py", 50), "mean", 2, 650, (), 3, 2.2e-10, 2, seconds=0.2
    )
    finding = replace(wrong, evidence={**wrong.evidence, "model": "Net"})
    recording = Recording(torch_version="2.13.0", checked_models=(model, healthy), sources=sources(_NORM))
    return Report("check", "model.py:Net", (finding,), recording)
