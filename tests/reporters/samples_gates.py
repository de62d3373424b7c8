"""Hand-made gates: targets that passed, failed, hung, crashed and were never run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from gradscope.facts import Drift, GradientDrift, Recording
from gradscope.finding import Location
from gradscope.outcomes import GateReport, Outcome, Trouble, TroubleKind, Verdict
from gradscope.report import Report, Suppressed

from . import samples, samples_checks, samples_checks_rules, samples_frames, samples_models
from .samples import HOME

Gate = Callable[[], GateReport]

_ENVIRONMENT = {"gradscope": "0.1.0", "python": "3.11.7", "torch": "2.13.0", "device": "cpu"}


def _at(line: int) -> Location:
    return Location(f"{HOME}/pyproject.toml", line)


def _outcome(name: str, verdict: Verdict, line: int, report: Report | None = None, **more: object) -> Outcome:
    findings = report.findings if report is not None else ()
    given: dict[str, object] = {
        "command": report.command if report is not None else "trace",
        "seconds": 2.25,
        "failing": sum(1 for one in findings if one.severity.rank == 2),
        "new": len(findings),
        **more,
    }
    return Outcome(name=name, target=name, verdict=verdict, report=report, stated_at=_at(line), **given)  # type: ignore[arg-type]


def _broken(name: str, line: int, kind: TroubleKind, message: str, *details: str, **more: object) -> Outcome:
    place = more.pop("place", None)
    trouble = Trouble(kind, message, details, place)  # type: ignore[arg-type]
    return _outcome(name, Verdict.BROKEN, line, **{"trouble": trouble, **more})


def _healthy(target: str) -> Report:
    recording = Recording(torch_version="2.13.0", steps=5, backward_passes=5)
    return Report("trace", target, (), recording, environment=_ENVIRONMENT)


def gate_mixed() -> GateReport:
    """One target of every kind, compared with a baseline."""
    cut, check = samples.cut(), samples_checks_rules.checks_every_rule()
    drift = Drift(
        "baseline.json",
        0.01,
        42,
        (
            GradientDrift("encoder.weight", "norm", 1.25, 0.0031),
            GradientDrift("head.bias", "norm", 0.5, None),
        ),
        ("torch 2.11.0, not 2.13.0",),
    )
    known = replace(
        _healthy("gan.py"),
        suppressed=(Suppressed(cut.findings[0], "baseline baseline.json"),),
        recording=replace(_healthy("gan.py").recording, drift=drift),
    )
    return GateReport(
        (
            _outcome("train.py", Verdict.PASSED, 5, _healthy("train.py")),
            _outcome("vision/train.py", Verdict.FAILED, 9, cut, fixed=("GS103 in build, model.py",)),
            _outcome("ops.py", Verdict.FAILED, 13, check),
            _outcome("gan.py", Verdict.PASSED, 17, known, known=1),
            _broken(
                "loop.py",
                21,
                TroubleKind.HUNG,
                "stopped after 60 s, at its time limit, in wait",
                'File "loop.py", line 12, in wait',
                "    event.wait()",
                place=Location(f"{HOME}/loop.py", 12, function="wait"),
                seconds=60.03,
            ),
            _broken("native.py", 25, TroubleKind.CRASHED, "crashed the process (SIGSEGV)", "native.py:8"),
            _broken("big.py", 29, TroubleKind.OUT_OF_MEMORY, "needed more than its limit of 4.0 GiB"),
            _broken("gone.py", 33, TroubleKind.NOT_RUN, "no such file: gone.py", "try  train.py"),
            _outcome(
                "demo.py",
                Verdict.FAILED,
                37,
                _healthy("demo.py"),
                trouble=Trouble(TroubleKind.EXPECTED_MISSING, "GS102 was expected and not found"),
            ),
        ),
        dict(_ENVIRONMENT),
        config="pyproject.toml",
        baseline="baseline.json",
        seconds=75.5,
        notes=("baseline baseline.json was written on cuda, and this is cpu",),
    )


def gate_passed() -> GateReport:
    """Nothing to complain of."""
    outcomes = [_outcome(name, Verdict.PASSED, 5, _healthy(name)) for name in ("train.py", "eval.py")]
    check = samples_checks.checks_healthy()
    outcomes.append(_outcome("ops.py", Verdict.PASSED, 12, check))
    return GateReport(tuple(outcomes), dict(_ENVIRONMENT), config="pyproject.toml", seconds=6.75)


def gate_hostile() -> GateReport:
    """Names and texts that would break a format which takes them at their word."""
    evil = "</script>]]>[/red]{{7*7}}::error::%0A|`a`\x1b[31m\ud800\n<b>@all</b>"
    return GateReport(
        (
            _outcome(evil, Verdict.FAILED, 5, samples_frames.hostile(), fixed=(evil,)),
            _broken(f"x{evil}", 9, TroubleKind.CRASHED, evil, evil, place=Location(f"{HOME}/{evil}.py", 3)),
        ),
        {"device": evil},
        config=evil,
        baseline=evil,
        seconds=1.0,
        notes=(evil,),
    )


def gate_large() -> GateReport:
    """Many targets, most of them well."""
    outcomes = [
        _outcome(f"examples/part_{number}/train.py", Verdict.PASSED, number, _healthy("train.py"))
        for number in range(1, 60)
    ]
    outcomes.append(_outcome("examples/deep.py", Verdict.PASSED, 61, samples_models.deep_gpt()))
    return GateReport(tuple(outcomes), dict(_ENVIRONMENT), config="pyproject.toml", seconds=200.0)


GATES: dict[str, Gate] = {gate.__name__: gate for gate in (gate_mixed, gate_passed, gate_hostile, gate_large)}
