"""Hand-made reports of checks: healthy functions, declared and unchecked ones, many, strange names."""

from __future__ import annotations

from gradscope.facts import (
    Cause,
    CheckedFunction,
    CheckOutcome,
    Declaration,
    Deviation,
    Origin,
    Outcome,
    ProgramEnd,
    Recording,
    SampleFact,
    SavedTensors,
    SubjectKind,
    WrongGradient,
)
from gradscope.finding import Finding, Location, Severity
from gradscope.report import Report, Suppressed

from .samples import HOME, Source, sources

OPS = f"{HOME}/ops.py"
_NAMES = ("returns", "partial needs_input_grad", "undefined gradients", "double backward", "determinism")
_LATE = ("forward mode", "vmap", "layouts", "torch.compile")


def check(*functions: CheckedFunction, target: str = "ops.py", **more: object) -> Report:
    findings = more.pop("findings", ())
    recording = Recording(torch_version="2.13.0", checked=functions, **more)  # type: ignore[arg-type]
    return Report("check", target, findings, recording)  # type: ignore[arg-type]


def outcomes(**others: Outcome | CheckOutcome) -> tuple[CheckOutcome, ...]:
    """All checks passed, forward mode and vmap had nothing to look at, but for the ones that are named."""
    known = {"gradient": Outcome.PASSED, **dict.fromkeys(_NAMES, Outcome.PASSED)}
    known |= dict.fromkeys(_LATE, Outcome.NOT_APPLICABLE)
    known |= {name.replace("_", " "): outcome for name, outcome in others.items()}  # type: ignore[misc]
    return tuple(
        outcome if isinstance(outcome, CheckOutcome) else CheckOutcome(name, outcome, seconds=0.01)
        for name, outcome in known.items()
    )


def inferred(text: str) -> tuple[SampleFact, ...]:
    """Arguments found by trial, as they could be typed: float64 tensors are drawn at random."""
    return (SampleFact(text, f"inferred: {text.replace('float64', 'randn')}", Origin.INFERRED),)


def function(name: str, line: int, **more: object) -> CheckedFunction:
    """A healthy one whose class stands at `line` of ops.py; its backward eight lines below."""
    known: dict[str, object] = {
        "kind": SubjectKind.FUNCTION,
        "location": Location(OPS, line, 1, line, 10),
        "forward": Location(OPS, line + 2, 5),
        "backward": Location(OPS, line + 8, 5),
        "samples": inferred("x float64(4, 3)"),
        "outcomes": outcomes(),
        "saved": SavedTensors(96, 96, ("input x",)),
        "agreement": 2.4e-11,
        "evaluations": 60,
        "seconds": 0.21,
    }
    return CheckedFunction(name, **{**known, **more})  # type: ignore[arg-type]


# ---------------------------------------------------------------- healthy


def checks_healthy() -> Report:
    """Three functions, nothing to say."""
    captured = "captured at train.py:31, 2 calls"
    return check(
        function(
            "Softmax",
            5,
            samples=(
                SampleFact("x float32(8, 10), dim -1", captured, Origin.CAPTURED),
                SampleFact("x float32(2, 10), dim -1", captured, Origin.CAPTURED),
            ),
            outcomes=outcomes(vmap=Outcome.PASSED, forward_mode=Outcome.PASSED),
        ),
        function("Swish", 30, saved=SavedTensors(0, 96)),
        function(
            "LayerNormFunction", 60, samples=inferred("x float64(4, 3), weight float64(3,), bias float64(3,)")
        ),
    )


def checks_from_python() -> Report:
    """`gradscope.check(fn, x)` on a function that has no source."""
    one = function(
        "<lambda>",
        1,
        kind=SubjectKind.CALLABLE,
        location=None,
        forward=None,
        backward=None,
        samples=(SampleFact("args[0] float64(3,)", "", Origin.GIVEN),),
        outcomes=(CheckOutcome("gradient", Outcome.PASSED),),
        saved=None,
        seconds=0.004,
    )
    return check(one, target="<lambda>")


# ---------------------------------------------------------------- declared, and deliberate


def surrogate(numerical: float, analytical: float) -> WrongGradient:
    return WrongGradient(
        0, "x", (0, 1), 0, (0, 1), analytical, numerical, 3e-13, Cause.SURROGATE, wrong=12, looked_at=12
    )


def checks_declared() -> Report:
    """A declared straight-through estimator, one that is not declared, and a gradient that is clipped."""
    declared = CheckOutcome("gradient", Outcome.DECLARED, "declared straight-through")
    return check(
        function(
            "RoundSTE",
            20,
            declared=Declaration("straight-through", Location(OPS, 19)),
            outcomes=outcomes(gradient=declared, double_backward=Outcome.NOT_APPLICABLE),
            wrong_gradients=(surrogate(1e-14, 1.0),),
            agreement=None,
        ),
        function(
            "Reverse",
            50,
            declared=Declaration("reversal", Location(OPS, 58)),
            outcomes=outcomes(gradient=declared),
            wrong_gradients=(surrogate(1.0, -0.5),),
            agreement=None,
        ),
        function(
            "SignQuantize",
            80,
            wrong_gradients=(surrogate(0.0, 1.0),),
            agreement=None,
            notes=(
                "x: forward is piecewise constant and backward passes something else, which looks deliberate;"
                " a comment  # gradscope: approximate[straight-through]  above the class says so",
            ),
        ),
    )


# ---------------------------------------------------------------- not checked


def checks_unchecked() -> Report:
    """One that hangs, one that crashes, one whose arguments nobody knows; and what is left for the others."""
    nothing: dict[str, object] = {
        "samples": (),
        "outcomes": (),
        "saved": None,
        "agreement": None,
        "evaluations": 0,
        "seconds": 0.0,
    }
    late = {
        name: CheckOutcome(name.replace("_", " "), Outcome.NOT_CHECKED, "no time was left")
        for name in ("vmap", "layouts", "forward_mode")
    }
    return check(
        function(
            "Waits",
            5,
            failure="backward: nothing after 20 s: stopped",
            failed_at=Location(OPS, 12, None, None, None, "Waits.forward"),
            **nothing,
        ),
        function("Extension", 30, failure="crashed the process (SIGSEGV)", **nothing),
        function(
            "Attention",
            60,
            failure="no arguments were found for forward(q, k, v, mask, *, scale): give them with"
            " gradscope check ops.py:Attention --input 'randn(4, 3)' --input 'randn(4, 3)' ...",
            **nothing,
        ),
        function(
            "Slow",
            90,
            outcomes=outcomes(
                gradient=CheckOutcome("gradient", Outcome.NOT_CHECKED, "no time was left for some inputs"),
                **late,
            ),
            agreement=None,
        ),
        function(
            "Norm",
            120,
            outcomes=outcomes(**late),
            deviations=(
                Deviation("float16", "cpu", "x", 0.31, 4.2e-4, excessive=True),
                Deviation("bfloat16", "cpu", "x", 3.1e-3, 2.9e-3, excessive=False),
            ),
            saved=SavedTensors(288, 96, ("input x", "intermediate y", "output 0"), ("intermediate y",), 96),
        ),
    )


def checks_nothing() -> Report:
    """Importing the file took too long, so nothing was checked; the program's end is told."""
    failed = function(
        "Attention",
        60,
        failure="no arguments were found for forward(q, k, v): give them with --input",
        samples=(),
        outcomes=(),
        saved=None,
    )
    return check(failed, program=ProgramEnd(exit_status=3), notes=("train.py was stopped after 10 s",))


# ---------------------------------------------------------------- many, and strange


def checks_many() -> Report:
    """Forty functions of two files, one of them wrong, one silenced."""
    healthy = [function(f"Op{index:02d}Function", 1 + 20 * index) for index in range(38)]
    long = function("VeryLongNamedFusedMultiHeadAttentionWithRotaryEmbeddingFunction", 1000)
    other = f"{HOME}/more/kernels.py"
    kernel = function(
        "scaled_sum",
        3,
        kind=SubjectKind.CUSTOM_OP,
        location=Location(other, 3),
        forward=None,
        backward=Location(other, 9),
    )
    wrong = Finding(
        "GS601",
        "wrong-gradient",
        Severity.ERROR,
        "backward of Op07Function gives a wrong gradient for x",
        Location(OPS, 149, 5),
        evidence={"function": "Op07Function"},
    )
    warning = Finding(
        "GS605", "ctx-attribute-save", Severity.WARNING, "ctx.x = x keeps an input", Location(OPS, 184, 9)
    )
    report = check(*healthy, long, kernel, findings=(wrong,))
    failed = CheckOutcome("gradient", Outcome.FAILED, "input x")
    checked = list(report.recording.checked)
    checked[7] = function("Op07Function", 141, outcomes=outcomes(gradient=failed), agreement=None)
    recording = Recording(torch_version="2.13.0", checked=tuple(checked))
    return Report("check", "ops.py", (wrong,), recording, (Suppressed(warning, "inline comment"),))


_STRANGE = Source(
    "strange.py",
    """
class Loud(torch.autograd.Function):
    \x1b[31mred = "[/red]"  # :smile:
    def backward(ctx, g):
        return g * 2
""",
)


def checks_hostile() -> Report:
    """Names and texts with markup, control characters and wide letters."""
    at = Location(_STRANGE.path, 1, 1)
    backward = Location(_STRANGE.path, 3, 5, 3, 13)
    finding = Finding(
        "GS601",
        "wrong-gradient",
        Severity.ERROR,
        "the gradient of [red]x\x07[/red] is twice the derivative",
        backward,
        label="\x1b[2J gives 2",
    )
    return check(
        function(
            "Loud[/red]\x1b[31m損失",
            1,
            location=at,
            forward=None,
            backward=backward,
            samples=inferred("text 'a\\x00b\x00', x float64(4,)"),
            outcomes=outcomes(gradient=CheckOutcome("gradient", Outcome.FAILED, "input [red]x")),
        ),
        function(
            ":smile:",
            20,
            location=Location(_STRANGE.path, 20),
            failure="forward raises ValueError: \x1b[31mno\r\nway [bold]",
            samples=(),
            outcomes=(),
        ),
        findings=(finding,),
        sources=sources(_STRANGE),
        target="strange.py",
    )
