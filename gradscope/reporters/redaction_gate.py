"""`--redact` of a gate: every report as `redaction` promises, and of troubles their kind alone."""

from __future__ import annotations

from dataclasses import replace

from gradscope.outcomes import GateReport, Outcome, Trouble
from gradscope.reporters.redaction import redact
from gradscope.reporters.redaction_texts import Texts, absolute_paths, optional


def redact_gate(gate: GateReport, cwd: str) -> GateReport:
    """The gate without source text, values and absolute paths."""
    if gate.redacted:
        return gate
    texts = Texts(cwd, frozenset(), absolute_paths(_files(gate), cwd))

    def hidden(outcome: Outcome) -> Outcome:
        return replace(
            outcome,
            name=texts.paths(outcome.name),
            target=texts.paths(outcome.target),
            report=optional(lambda report: redact(report, cwd), outcome.report),
            trouble=optional(lambda trouble: _kind_alone(trouble, texts), outcome.trouble),
            fixed=tuple(each.partition(" ")[0] for each in outcome.fixed),
            stated_at=texts.place(outcome.stated_at),
        )

    return replace(
        gate,
        outcomes=tuple(map(hidden, gate.outcomes)),
        config=texts.paths(gate.config),
        baseline=texts.paths(gate.baseline),
        environment={},
        notes=(),
        redacted=True,
    )


def _files(gate: GateReport) -> set[str]:
    places = [each.stated_at for each in gate.outcomes]
    places += [each.trouble.location for each in gate.outcomes if each.trouble is not None]
    return {place.path for place in places if place is not None}


def _kind_alone(trouble: Trouble, texts: Texts) -> Trouble:
    return Trouble(trouble.kind, trouble.kind.value, location=texts.place(trouble.location))
