"""`--redact`: the same report without what a company would not want to paste into an issue.

The promise. A redacted report, in any format, contains
- no line of the program's source, and no expression of it: no code frames, no fix, label, message of a
  related place, name of a variable's expression or note in which three tokens stand next to each other as
  they stand in the source, and no backticked text in a message that is not a plain dotted name;
- no values: no losses, norms, shares, seeds, forward values, derivatives, evidence, explanatory notes of
  a finding, and no message of the exception that ended the program;
- no absolute paths: files below the working directory by their relative path, others as `<path>`.

What it keeps: rule codes, severities and messages (in which a rule may have written counts and shapes),
line and column numbers, relative paths, names of functions, modules, parameters and optimizers, shapes,
dtypes, counts of passes, steps and nodes, what was not seen, and the torch version and device.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final, TypeVar

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
from gradscope.finding import Finding, Location, Related
from gradscope.report import Report, Suppressed
from gradscope.reporters.paths import short_path

HIDDEN_PATH: Final = "<path>"
HIDDEN_TEXT: Final = "..."

_PATH: Final = re.compile(r"(?<![\w.])(?:[A-Za-z]:[\\/]|\\\\|~?/)[^\s'\"`,;:()<>|]+")
_BACKTICKED: Final = re.compile(r"`([^`]*)`")
_VALUE: Final = re.compile(r"(?<![\w.])\d+(?:\.\d+)?e[+-]?\d+x?|(?<![\w.])\d+\.\d+x")
_NAME: Final = re.compile(r"[^\W\d]\w*(?:\.\w+)*(?:\.\*)?")
_TOKEN: Final = re.compile(r"\w+|[^\w\s]")

Tokens = tuple[str, ...]
T = TypeVar("T")
R = TypeVar("R")


def redact(report: Report, cwd: str) -> Report:
    """The report without source text, values and absolute paths, as promised above."""
    if report.redacted:
        return report
    source = frozenset(_runs(report.recording.sources.values()))
    return _Redaction(cwd, source, _known_paths(report, cwd)).report(report)


def _known_paths(report: Report, cwd: str) -> tuple[str, ...]:
    """The absolute paths this report is about, longest first, whatever characters they are made of."""
    findings = [*report.findings, *(silenced.finding for silenced in report.suppressed)]
    places = [
        place for finding in findings for place in (finding.location, *(r.location for r in finding.related))
    ]
    error = report.recording.program.error
    places += error.frames if error else ()
    files = {place.path for place in places if place} | set(report.recording.sources)
    folders = {cwd, os.path.expanduser("~")} | {os.path.dirname(file) for file in files}
    return tuple(
        sorted((path for path in files | folders if len(path) > 1 and os.path.isabs(path)), key=len)[::-1]
    )


def _runs(sources: Iterable[Iterable[str]]) -> Iterable[Tokens]:
    for lines in sources:
        for line in lines:
            yield from _threes(line)


def _threes(text: str) -> Iterable[Tokens]:
    """Every three neighbouring tokens; a shorter text is no quotation."""
    tokens = _TOKEN.findall(text)
    return zip(tokens, tokens[1:], tokens[2:], strict=False)


def _optional(function: Callable[[T], R], value: T | None) -> R | None:
    return None if value is None else function(value)


@dataclass(frozen=True, slots=True)
class _Redaction:
    """What is needed to redact one report: the working directory and what stands in the source."""

    cwd: str
    source: frozenset[Tokens]
    known: tuple[str, ...]

    # ------------------------------------------------------------ text and places

    def path(self, path: str) -> str:
        short = short_path(path, self.cwd)
        is_hidden = os.path.isabs(short) or _PATH.fullmatch(short) or short.startswith("..")
        return HIDDEN_PATH if is_hidden else short

    def paths(self, text: str) -> str:
        """The text with every absolute path in it shortened or hidden."""
        for path in self.known:
            text = text.replace(path, self.path(path))
        return _PATH.sub(lambda found: self.path(found.group()), text)

    def message(self, text: str) -> str:
        """A rule's sentence: kept, but for paths, backticked code and measured values ("7.3e-18", "6.8x")."""
        hidden = _BACKTICKED.sub(
            lambda found: found.group() if _NAME.fullmatch(found[1]) else f"`{HIDDEN_TEXT}`", text
        )
        return self.paths(_VALUE.sub(HIDDEN_TEXT, hidden))

    def unless_quoting(self, text: str) -> str:
        """The text, or nothing where it holds a piece of the source."""
        if any(run in self.source for run in _threes(text)):
            return ""
        return self.message(text)

    def location(self, location: Location) -> Location:
        return replace(location, path=self.path(location.path))

    def place(self, location: Location | None) -> Location | None:
        return _optional(self.location, location)

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

    # ------------------------------------------------------------ facts

    def recording(self, recording: Recording) -> Recording:
        """Only what reports show in any case; every other fact is left out."""
        return Recording(
            program=replace(recording.program, error=_optional(self.error, recording.program.error)),
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
            loop=_optional(self.loop, recording.loop),
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
            stored_in=_optional(self.name, leaf.stored_in),
            gradient=_optional(_counts_only, leaf.gradient),
        )

    def name(self, text: str) -> str:
        return text if _NAME.fullmatch(text) else HIDDEN_TEXT

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
            root=_optional(self.name, table.root),
            value=None,
            seed=None,
            rows=tuple(map(self.chain_row, table.rows)),
        )

    def chain_row(self, row: ChainRow) -> ChainRow:
        return replace(
            row,
            name=_optional(self.name, row.name),
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
