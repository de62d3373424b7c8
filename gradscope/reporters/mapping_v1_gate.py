"""From a gate's own types to the JSON report's frozen shape."""

from __future__ import annotations

from gradscope import __version__, facts
from gradscope.exits import of_gate
from gradscope.outcomes import GateReport, Outcome
from gradscope.reporters import schema_v1_gate as v1
from gradscope.reporters.mapping_v1_places import Places


def gate_v1(gate: GateReport, cwd: str) -> v1.Gate:
    """The gate in the shape of `schema_version` "1", the reports of its targets left out."""
    places = Places(cwd, redacted=gate.redacted)
    return v1.Gate(
        schema_version="1",
        gradscope=__version__,
        command="gate",
        config=gate.config,
        baseline=gate.baseline or None,
        redacted=gate.redacted,
        exit_status=of_gate(gate),
        seconds=round(gate.seconds, 3),
        targets=[_target(each, places) for each in gate.outcomes],
        notes=list(gate.notes),
    )


def _target(outcome: Outcome, places: Places) -> v1.Target:
    trouble = outcome.trouble
    drift = outcome.report.recording.drift if outcome.report is not None else None
    return v1.Target(
        name=outcome.name,
        command=outcome.command,
        target=outcome.target,
        verdict=outcome.verdict.value,
        seconds=round(outcome.seconds, 3),
        failing=outcome.failing,
        new=outcome.new,
        known=outcome.known,
        fixed=list(outcome.fixed),
        trouble=None
        if trouble is None
        else v1.Trouble(
            trouble.kind.value, trouble.message, list(trouble.details), places.maybe_place(trouble.location)
        ),
        drift=None if drift is None else _drift(drift),
        stated_at=places.maybe_place(outcome.stated_at),
        report=None,
    )


def _drift(drift: facts.Drift) -> v1.Drift:
    return v1.Drift(
        tolerance=drift.tolerance,
        compared=drift.compared,
        drifts=[v1.GradientDrift(one.parameter, one.figure, one.before, one.now) for one in drift.drifts],
        other_hardware=list(drift.other_hardware),
        vanished=list(drift.vanished),
        new=list(drift.new),
    )
