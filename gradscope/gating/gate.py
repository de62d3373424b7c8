"""The whole gate: settings and baseline read, targets run and judged, the baseline written anew."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from gradscope.baseline import Baseline, Draft, Known, Section, read
from gradscope.config import Config, display_path
from gradscope.errors import UsageError
from gradscope.facts import Drift, Recording
from gradscope.gating.configuration.reading import chosen, read_gate
from gradscope.gating.processes.running import Ran, run_all
from gradscope.gating.settings import GateSettings, GateTarget
from gradscope.gating.verdicts import codes, is_whole, outcome_of, policy_of
from gradscope.gradient_baseline import drift_between, statistics_of
from gradscope.outcomes import GateReport, Outcome

DEFAULT_BASELINE = "gradscope-baseline.json"
"""The baseline that is written, beside the configuration, where none is named."""


@dataclass(frozen=True, slots=True)
class Gate:
    """A gate that is ready to run. `accepted` is the baseline that it compares with, `draft` the one that is
    to be written; `fail_on` is that of the command line.
    """

    settings: GateSettings
    config: Config
    fail_on: str | None = None
    accepted: Baseline | None = None
    draft: Draft | None = None

    def run(
        self, started: Callable[[GateTarget], None], ended: Callable[[Outcome], None]
    ) -> tuple[GateReport, tuple[Ran, ...]]:
        """Runs and judges every target; `started` and `ended` are told on the way."""
        began = time.monotonic()
        outcomes: dict[str, Outcome] = {}

        def told(target: GateTarget, ran: Ran | None) -> None:
            if ran is None:
                started(target)
            else:
                outcomes[target.name] = self._judged(ran)
                ended(outcomes[target.name])

        measured = tuple(run_all(self.settings, told))
        for ran in measured:  # what was interrupted is not told
            outcomes.setdefault(ran.target.name, self._judged(ran))
        environments = [ran.environment for ran in measured if ran.environment]
        report = GateReport(
            tuple(outcomes[ran.target.name] for ran in measured),
            dict(environments[0]) if environments else {},
            config=self.config.name,
            baseline=self.accepted.name if self.accepted is not None else "",
            seconds=time.monotonic() - began,
            notes=self._notes(measured),
        )
        return report, measured

    def _judged(self, ran: Ran) -> Outcome:
        known, drift = None, None
        if self.accepted is not None:
            known = Known(self.accepted, ran.target.key)
            if ran.recording is not None and ran.trouble is None:
                drift = self._drift(self.accepted, ran, ran.recording)
        return outcome_of(ran, self.config, self.fail_on, known, drift)

    def _drift(self, accepted: Baseline, ran: Ran, recording: Recording) -> Drift | None:
        kept = accepted.gradients(ran.target.key)
        if kept is None:
            return None
        return drift_between(
            kept,
            recording,
            ran.environment,
            baseline=accepted.name,
            tolerance=ran.target.drift_tolerance,
        )

    def _notes(self, measured: Sequence[Ran]) -> tuple[str, ...]:
        """What is to be said of the baseline as a whole."""
        if self.accepted is None:
            return ()
        targets = [ran.target for ran in measured]
        unknown = [each.name for each in targets if not Known(self.accepted, each.key).knows_target]
        if not unknown:
            return ()
        names = ", ".join(unknown[:3]) + (f" and {len(unknown) - 3} more" if len(unknown) > 3 else "")
        return (f"baseline {self.accepted.name} does not know {names}; --update-baseline adds what is found",)

    def kept_files(self) -> list[tuple[str, str]]:
        """The absolute paths of the files that it reads or writes itself, and what each of them is."""
        baselines = [each.path for each in (self.accepted, self.draft) if each is not None]
        return [(self.config.path, "the configuration"), *((path, "the baseline") for path in baselines)]

    # ------------------------------------------------------------ the baseline

    def write_baseline(self, report: GateReport, measured: Sequence[Ran], *, redact: bool) -> list[str]:
        """Writes findings and gradients of all targets that came to their end; says what it did.

        Raises OutputError where the file cannot be written.
        """
        assert self.draft is not None
        draft = self.draft
        sections, left = [], []
        for ran, outcome in zip(measured, report.outcomes, strict=True):
            if outcome.report is None or not is_whole(outcome.trouble):
                left.append(ran.target.name)
                continue
            judging = policy_of(ran.target, self.config, self.fail_on)
            recording = outcome.report.recording
            sections.append(
                Section(
                    ran.target.key,
                    outcome.report.findings,
                    recording,
                    codes(ran.target, judging),
                    statistics_of(recording, ran.environment) if recording.backward_passes else None,
                )
            )
        lines = []
        if sections:
            written = draft.write_all(sections, redact=redact)
            findings, new = sum(each.findings for each in written), sum(each.new for each in written)
            forgotten = sum(each.forgotten for each in written)
            noun = "finding" if findings == 1 else "findings"
            of_targets = "1 target" if len(sections) == 1 else f"{len(sections):,} targets"
            lines.append(
                f"baseline {draft.name} holds {findings:,} {noun} of {of_targets} now "
                f"({new:,} new, {forgotten:,} forgotten)"
            )
        if left:
            lines.append(f"baseline {draft.name} is as it was for {', '.join(left)}: not judged to the end")
        if self.settings.baseline is None:
            lines.append(f'to compare with it: baseline = "{draft.name}" in [tool.gradscope.gate]')
        return lines


def prepare(
    config: Config,
    names: Sequence[str],
    jobs: int | None,
    fail_on: str | None,
    baseline: str | None,
    *,
    update: bool,
) -> Gate:
    """Reads the configuration and the baseline, before anything runs.

    `names` choose targets, all where there are none. Raises UsageError where something is wrong with them.
    """
    whole = read_gate(config)
    settings = chosen(whole, names) if names else whole
    if jobs is not None:
        settings = replace(settings, jobs=jobs)
    path = os.path.abspath(baseline) if baseline is not None else settings.baseline
    if update:
        path = path or os.path.join(settings.folder, DEFAULT_BASELINE)
        return Gate(settings, config, fail_on, None, Draft(path, _name(path, baseline), "--baseline"))
    if path is None:
        return Gate(settings, config, fail_on)
    if not os.path.exists(path):
        where = [f"--> {config.name}"] if baseline is None else []
        typed = f" --baseline {baseline}" if baseline is not None else ""
        raise UsageError(
            f"no such baseline: {_name(path, baseline)}",
            where=where,
            try_next=f"gradscope gate --update-baseline{typed}",
        )
    accepted = read(path, _name(path, baseline), "gradscope gate --update-baseline --baseline")
    for target in settings.targets:
        accepted.gradients(target.key)  # what is damaged is told before anything runs
    return Gate(settings, config, fail_on, accepted)


def _name(path: str, typed: str | None) -> str:
    return typed if typed is not None else display_path(path)
