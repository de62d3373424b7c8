"""`--redact`: the same report without what a company would not want to paste into an issue.

The promise. A redacted report, in any format, contains
- no line of the program's source, and no expression of it: no code frames, no fix, label, message of a
  related place, name of a variable's expression or note in which three tokens stand next to each other as
  they stand in the source, and no backticked text in a message that is not a plain dotted name; of an
  autograd graph also no names of the variables that ops' results and inputs have; no code to paste;
- no values: no losses, norms, shares, seeds, forward values, derivatives, errors of derivatives, arguments
  that a function was checked with, closed forms, evidence, explanatory notes of a finding, and no message
  of an exception of the program;
- no absolute paths: files below the working directory by their relative path, others as `<path>`.

What it keeps: rule codes, severities and messages (in which a rule may have written counts and shapes),
line and column numbers, relative paths, names of functions, modules, parameters and optimizers, shapes,
dtypes, counts of passes, steps and nodes, sizes in bytes, seconds, the nodes and edges of an autograd
graph, what was not seen, and the torch version and device. A leaf that is no parameter keeps its name.
"""

from __future__ import annotations

import math
from dataclasses import replace

from gradscope.facts import (
    Backward,
    ChainRow,
    ChainTable,
    GradientHook,
    GradientStats,
    Leaf,
    ProgramError,
    Recording,
    TrainingLoop,
)
from gradscope.finding import Finding, Related
from gradscope.report import Report, Suppressed
from gradscope.reporters.redaction_check import hidden_function, hidden_model
from gradscope.reporters.redaction_graph import graph_paths, hidden_graph
from gradscope.reporters.redaction_memory import hidden_memory, memory_paths
from gradscope.reporters.redaction_texts import Texts, absolute_paths, optional, runs

# evidence of a derivative, of a number given to an op, of norms
_GIVE_VALUES = frozenset(["numerical", "again", "smallest_rms", "tolerance"])


def redact(report: Report, cwd: str) -> Report:
    """The report without source text, values and absolute paths, as promised above."""
    if report.redacted:
        return report
    source = frozenset(runs(report.recording.sources.values()))
    return _Redaction(cwd, source, _known_paths(report, cwd)).report(report)


def _known_paths(report: Report, cwd: str) -> tuple[str, ...]:
    """The absolute paths this report is about, longest first, whatever characters they are made of."""
    findings = [*report.findings, *(silenced.finding for silenced in report.suppressed)]
    places = [
        place for finding in findings for place in (finding.location, *(r.location for r in finding.related))
    ]
    error = report.recording.program.error
    places += error.frames if error else ()
    places += (each.location for each in report.recording.checked)
    files = {place.path for place in places if place} | set(report.recording.sources)
    if report.recording.graph is not None:
        files |= graph_paths(report.recording.graph)
    if report.recording.memory is not None:
        files |= memory_paths(report.recording.memory)
    return absolute_paths(files, cwd)


class _Redaction(Texts):
    """Redacts each type that a report holds."""

    # ------------------------------------------------------------ findings

    def report(self, report: Report) -> Report:
        return replace(
            report,
            target=self.paths(report.target),
            findings=tuple(map(self.finding, report.findings)),
            suppressed=tuple(
                Suppressed(self.finding(s.finding), self.message(s.by)) for s in report.suppressed
            ),
            recording=self.recording(report.recording),
            environment={},
            redacted=True,
        )

    def finding(self, finding: Finding) -> Finding:
        if not _GIVE_VALUES.isdisjoint(finding.evidence):  # its words may give the value
            finding = self.without_values(finding)
        return replace(
            finding,
            message=self.message(finding.message),
            location=self.place(finding.location),
            label=self.unless_quoting(finding.label),
            related=tuple(
                Related(self.location(other.location), self.unless_quoting(other.message))
                for other in finding.related
            ),
            notes=(),
            evidence={},
            fix=self.unless_quoting(finding.fix),
            consequences=tuple(map(self.finding, finding.consequences)),
        )

    def without_values(self, finding: Finding) -> Finding:
        return replace(
            finding,
            label=self.without_numbers(finding.label),
            fix=self.without_numbers(finding.fix),
            related=tuple(replace(one, message=self.without_numbers(one.message)) for one in finding.related),
        )

    # ------------------------------------------------------------ facts

    def recording(self, recording: Recording) -> Recording:
        """Only what reports show in any case; every other fact is left out."""
        return Recording(
            program=replace(recording.program, error=optional(self.error, recording.program.error)),
            device=recording.device,
            torch_version=recording.torch_version,
            ops=recording.ops,
            steps=recording.steps,
            backward_passes=recording.backward_passes,
            backwards=tuple(map(self.backward, recording.backwards)),
            modules=recording.modules,
            leaves=tuple(map(self.leaf, recording.leaves)),
            optimizers=tuple(replace(o, location=self.place(o.location)) for o in recording.optimizers),
            chains=tuple(map(self.chain, recording.chains)),
            hooks=tuple(map(self.hook, recording.hooks)),
            loop=optional(self.loop, recording.loop),
            checked=tuple(hidden_function(each, self) for each in recording.checked),
            checked_models=tuple(hidden_model(each, self) for each in recording.checked_models),
            graph=None if recording.graph is None else hidden_graph(recording.graph, self),
            memory=None if recording.memory is None else hidden_memory(recording.memory, self),
            notes=tuple(filter(None, map(self.unless_quoting, recording.notes))),
            not_seen=tuple(map(self.message, recording.not_seen)),
        )

    def error(self, error: ProgramError) -> ProgramError:
        frames = tuple(map(self.location, error.frames))
        where = [f"{frame.path}:{frame.line}  in {frame.function or '?'}\n" for frame in frames]
        return ProgramError(error.type, "", frames, "".join([*where, f"{error.type}\n"]))

    def backward(self, backward: Backward) -> Backward:
        return replace(
            backward, location=self.place(backward.location), loss=None, last_loss=None, root=None, seed=None
        )

    def leaf(self, leaf: Leaf) -> Leaf:
        return replace(
            leaf,
            made_at=self.place(leaf.made_at),
            registered_at=self.place(leaf.registered_at),
            stored_at=self.place(leaf.stored_at),
            replaced_at=self.place(leaf.replaced_at),
            stored_in=optional(self.name, leaf.stored_in),
            gradient=optional(_counts_only, leaf.gradient),
        )

    def hook(self, hook: GradientHook) -> GradientHook:
        out = math.nan
        return replace(
            hook,
            location=self.place(hook.location),
            defined_at=self.place(hook.defined_at),
            on=tuple(map(self.name, hook.on)),
            changes=tuple(replace(each, before=out, after=out, factor=None) for each in hook.changes),
        )

    def loop(self, loop: TrainingLoop) -> TrainingLoop:
        phases = tuple(
            replace(phase, location=self.place(phase.location), first=None, last=None)
            for phase in loop.phases
        )
        return replace(loop, phases=phases)

    def chain(self, table: ChainTable) -> ChainTable:
        return replace(
            table,
            backward=self.place(table.backward),
            root=optional(self.name, table.root),
            value=None,
            seed=None,
            rows=tuple(map(self.chain_row, table.rows)),
        )

    def chain_row(self, row: ChainRow) -> ChainRow:
        return replace(
            row,
            name=optional(self.name, row.name),
            expression=None,
            location=self.place(row.location),
            value=None,
            local=tuple((self.name(name), None) for name, _ in row.local),
            incoming=None,
            outgoing=tuple((self.name(name), None) for name, _ in row.outgoing),
        )


def _counts_only(gradient: GradientStats) -> GradientStats:
    """How many passes, and nothing of what they gave; NaN stands for "left out"."""
    out = math.nan
    return replace(
        gradient,
        norm=out,
        last_norm=out,
        smallest_norm=out,
        largest_norm=out,
        max_abs=out,
        zero_share=out,
        nan=0,
        inf=0,
    )
