"""From the options that judge and report to the report: what the commands that find something share."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from gradscope.commands._formats import chosen_format
from gradscope.commands._options import configuration
from gradscope.errors import UsageError, printable
from gradscope.exits import ExitStatus

if TYPE_CHECKING:
    from gradscope.commands._baselines import Baselines
    from gradscope.destination import Destination
    from gradscope.facts import Recording
    from gradscope.finding import Finding
    from gradscope.loader.target import Target
    from gradscope.policy import Policy
    from gradscope.report import Report
    from gradscope.silence import Silencer

    Draw: TypeAlias = Callable[[Report], Sequence[tuple[bytes, str]]]
    Page: TypeAlias = Callable[[Report], bytes]
    Judge: TypeAlias = Callable[[tuple[str, ...], tuple[Silencer, ...]], Report]


@dataclass(frozen=True, slots=True)
class JudgingValues:
    """The values of `judging_options` and `report_options`, as click gives them.

    A command without the options for rules and baselines leaves these as they are.
    """

    format_name: str
    output: str | None
    redact: bool
    fail_on: str | None
    config_file: str | None
    isolated: bool
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    baseline: str | None = None
    write_baseline: str | None = None

    @classmethod
    def typed(cls, **values: Any) -> JudgingValues:
        """The values as click gives them; the format may follow from the name of the output file."""
        chosen = chosen_format(values.pop("format_name"), values["output"])
        return cls(format_name=chosen, **values)

    def rules(self) -> tuple[list[str], list[str]]:
        """The rules of `--select` and `--ignore`; UsageError for a name that is none."""
        from gradscope.rule_names import rule_names

        selected, ignored = rule_names("--select", self.select), rule_names("--ignore", self.ignore)
        if self.select and not selected:
            raise UsageError("--select is given no rule", try_next="gradscope explain --list")
        return list(selected), list(ignored)


@dataclass(frozen=True, slots=True)
class Reporting:
    """How one run is judged, and where its report goes; made before the program runs.

    `codes` are those of the rules that can show a finding under this command.
    """

    values: JudgingValues
    judging: Policy
    codes: frozenset[str]
    baselines: Baselines
    destination: Destination
    started_in: str

    @classmethod
    def of(cls, command: str, target: Target, values: JudgingValues, *, to_stderr: bool = False) -> Reporting:
        """Reads configuration and baselines, and opens the destination; UsageError where one is wrong."""
        from gradscope.commands._baselines import prepare
        from gradscope.destination import Destination
        from gradscope.policy import policy

        selected, ignored = values.rules()
        config = configuration(target, values.config_file, values.isolated)
        judging = policy(config, selected, ignored, values.fail_on)
        codes = _codes(command, judging)
        baselines = prepare(command, target, values.baseline, values.write_baseline, config)
        _check_distinct(values.output, values.baseline, values.write_baseline, config.baseline)
        machine = values.format_name != "text"
        destination = Destination(values.output, machine=machine, to_stderr=to_stderr)
        return cls(values, judging, codes, baselines, destination, os.getcwd())

    def so_far(self, recording: Recording) -> tuple[Finding, ...]:
        """The findings of a recording that is not complete yet."""
        from gradscope.engine import judge

        return judge(recording, self.judging.select, (*self.judging.silencers, *self.baselines.known()))[0]

    def judged(self, judge: Judge) -> Report:
        """The report that `judge` makes with the selected rules and all silencers, with their remarks."""
        known = self.baselines.known()
        report = judge(self.judging.select, (*self.judging.silencers, *known))
        remarks = [*self.judging.remarks, *self.baselines.remarks(known, report, self.codes)]
        notes = (*report.recording.notes, *remarks)
        return replace(report, recording=replace(report.recording, notes=notes), fail_on=self.judging.fail_on)

    def finish_picture(self, report: Report, draw: Draw) -> int:
        """Writes the picture of a report's graph, if it has one, and returns the exit status."""
        from gradscope.exits import nothing_checked, of_report
        from gradscope.outcomes import NOTHING_CHECKED

        error = report.recording.program.error
        if error is not None:
            click.echo(error.rendered, err=True, nl=False)
        if nothing_checked(report):
            click.echo(f"gradscope: {NOTHING_CHECKED[report.command]}", err=True)
            return of_report(report, self.judging.fail_on)
        with contextlib.chdir(self.started_in):
            paths = self.destination.write_parts(draw(report))
            names = " and ".join(printable(os.path.relpath(path)) for path in paths)
        assert report.recording.graph is not None
        count = len(report.recording.graph.nodes)
        where = f" drawn in {names}" if names else ""
        found = f"; {_summary(report)}, see gradscope trace" if report.findings else ""
        click.echo(f"gradscope: {count:,} node{'s' if count != 1 else ''}{where}{found}", err=True)
        return of_report(report, self.judging.fail_on)

    def finish(self, report: Report, page: Page | None = None) -> int:
        """Writes the report and the baseline, and returns the exit status.

        `page` makes the bytes of a format that is not one of the reporters'.
        """
        values = self.values
        with contextlib.chdir(self.started_in):
            if page is None:
                self._write(report)
            else:
                self.destination.write_parts([(page(report), "")])
        status = self._told(report)
        if values.write_baseline is None:
            return status
        is_written, line = self.baselines.write(report, self.codes, redact=values.redact)
        click.echo(f"gradscope: {printable(line)}", err=True)
        return ExitStatus.OK if is_written else status

    def _write(self, report: Report) -> None:
        from gradscope import reporters

        with self.destination.open() as out:
            reporters.render(self.values.format_name, report, out, redact=self.values.redact)

    def _told(self, report: Report) -> int:
        """The exit status. Where no text report was shown, what it says of the end is told here."""
        from gradscope.exits import nothing_checked, of_report
        from gradscope.outcomes import NOTHING_CHECKED

        to_file = self.destination.path is not None
        shown = self.values.format_name == "text" and not to_file
        error = report.recording.program.error
        if not shown and error is not None:
            click.echo(error.rendered, err=True, nl=False)
        summary = NOTHING_CHECKED[report.command] if nothing_checked(report) else _summary(report)
        if to_file:
            click.echo(
                f"gradscope: {summary}; the report is in {printable(self.values.output or '')}", err=True
            )
        elif not shown:
            click.echo(f"gradscope: {summary}", err=True)
        return of_report(report, self.judging.fail_on)


_RULES_OF = {"graph": "trace", "memory": "trace"}  # both are told of a program that is traced


def _codes(command: str, judging: Policy) -> frozenset[str]:
    """The rules that are judged and that the command can find; UsageError where there are none."""
    from gradscope.rules import all_rules

    own = [code for code, rule in all_rules().items() if rule.command == _RULES_OF.get(command, command)]
    if not judging.judged.intersection(own):
        raise UsageError(
            f"none of the rules that are selected is one of {command}'s, so nothing would be checked",
            where=judging.remarks,
            try_next=f"--select GS  selects all rules; those of {command} are {own[0]} to {own[-1]}",
        )
    return judging.judged.intersection(own)


def _check_distinct(output: str | None, *baselines: str | None) -> None:
    if output is not None and os.path.realpath(output) in [os.path.realpath(one) for one in baselines if one]:
        raise UsageError(
            f"{output} cannot be both the report and the baseline", try_next="--output report.json"
        )


def _summary(report: Report) -> str:
    count = len(report.findings)
    found = "no findings" if count == 0 else f"{count} finding{'s' if count > 1 else ''}"
    silenced = f" ({len(report.suppressed)} silenced)" if report.suppressed else ""
    checked = [one.is_checked for one in report.recording.checked]
    unchecked = checked.count(False)
    if not unchecked:
        return found + silenced
    functions = f"{unchecked} of {len(checked)} functions could not be checked"
    return f"{found}{silenced}, {functions}"
