"""The baselines of one command: the one that silences, and the one that is written."""

from __future__ import annotations

import os
import shlex
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gradscope.baseline import Baseline, Draft, Known, Written, read
from gradscope.config import Config, display_path
from gradscope.exits import nothing_checked
from gradscope.fingerprint import portable_path
from gradscope.loader.target import Kind, Target

if TYPE_CHECKING:
    from gradscope.report import Report


@dataclass(frozen=True, slots=True)
class Baselines:
    """`accepted` silences what it holds of the target; `draft` takes what is found, under the key `target`.

    `in_force` says that the configuration names the file that is written.
    """

    accepted: tuple[Baseline, str] | None = None
    draft: Draft | None = None
    target: str = ""
    in_force: bool = False

    def known(self) -> tuple[Known, ...]:
        """The silencer for one judgement, none without a baseline. It counts down: never use it again."""
        return () if self.accepted is None else (Known(*self.accepted),)

    def remarks(self, known: Iterable[Known], report: Report, judged: Collection[str]) -> list[str]:
        """What the report is to say of the baseline; a run cut short does not tell what is gone."""
        if _cut_short(report):
            return []
        return [line for each in known for line in each.remarks(judged, bool(report.findings))]

    def write(self, report: Report, judged: Collection[str], *, redact: bool) -> tuple[bool, str]:
        """Whether the draft was written, and a line about it. A run that was cut short writes nothing."""
        assert self.draft is not None
        if reason := _cut_short(report):
            return False, f"baseline {self.draft.name} was not written: {reason}, so not everything was seen"
        written = self.draft.write(self.target, report.findings, report.recording, judged, redact=redact)
        if not written.findings:
            forgotten = f" ({written.forgotten:,} forgotten)" if written.forgotten else ""
            return True, f"baseline {self.draft.name} holds no finding of {self.target} now{forgotten}"
        line = f"{_count(written)} written to baseline {self.draft.name}{_changes(written)}"
        them = "it" if written.findings == 1 else "them"
        if self.in_force:
            return True, f"{line}, which silences {them} from now on"
        return True, f"{line}; --baseline {shlex.quote(self.draft.name)} silences {them}"


def prepare(
    command: str, target: Target, baseline: str | None, write_baseline: str | None, config: Config
) -> Baselines:
    """Reads the baseline of the command line or else of the configuration, before the program runs.

    The file that is to be written silences nothing: it is made anew from all that is found. `command`
    is the one that was typed ("trace"). Raises UsageError where a file cannot be read or written.
    """
    draft = Draft(os.path.abspath(write_baseline), write_baseline) if write_baseline is not None else None
    path = os.path.abspath(baseline) if baseline is not None else config.baseline
    if path is None or (draft and _same(path, draft.path)):
        key = target_key(target, draft.folder) if draft else ""
        return Baselines(None, draft, key, in_force=path is not None and path == config.baseline)
    name = baseline if baseline is not None else display_path(path)
    typed = target.text if target.kind is Kind.RUN_MODULE else shlex.quote(target.text)
    to_write = f"gradscope {command} {typed} --write-baseline"
    found = read(path, name, to_write, config.name if baseline is None else "")
    accepted = (found, target_key(target, found.folder))
    return Baselines(accepted, draft, target_key(target, draft.folder) if draft else "")


def target_key(target: Target, folder: str) -> str:
    """The target as a baseline in `folder` names it, from wherever it was typed."""
    if target.kind in (Kind.RUN_MODULE, Kind.MODULE_ATTRIBUTE):
        return target.text
    path = portable_path(os.path.abspath(target.where), folder)
    return f"{path}:{target.attribute}" if target.attribute else path


def _same(one: str, other: str) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def _cut_short(report: Report) -> str:
    """Why the run does not tell what is no longer there; nothing where it does."""
    program = report.recording.program
    if program.interrupted:
        return "the program was interrupted"
    if program.error is not None or program.exit_status != 0:
        return f"the program ended with status {program.exit_status}"
    if nothing_checked(report):
        return "no function could be checked" if report.command == "check" else "no backward was run"
    recording = report.recording
    unchecked = [one.name for one in recording.checked if not one.is_checked]
    unchecked += [one.name for one in recording.checked_models if not one.is_checked]
    return f"{', '.join(unchecked)} could not be checked" if unchecked else ""


def _count(written: Written) -> str:
    return f"{written.findings:,} finding{'' if written.findings == 1 else 's'}"


def _changes(written: Written) -> str:
    new = f"{written.new:,} new" if written.new and written.new != written.findings else ""
    forgotten = f"{written.forgotten:,} forgotten" if written.forgotten else ""
    changes = ", ".join(filter(None, (new, forgotten)))
    return f" ({changes})" if changes else ""
