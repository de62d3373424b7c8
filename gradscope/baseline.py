"""A baseline: the findings that are known and accepted for now, for each target of a project."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from gradscope import baseline_file
from gradscope.baseline_file import Entry
from gradscope.destination import check_writable, replacing
from gradscope.errors import OutputError, UsageError
from gradscope.facts import Recording
from gradscope.finding import Finding
from gradscope.fingerprint import fingerprint, hashed
from gradscope.gradient_statistics import GradientStatistics
from gradscope.rules import find_rule


@dataclass(frozen=True, slots=True)
class Baseline:
    """A file that was read. `path` is absolute, `name` as people write it, `entries` are by target.

    `content` is the whole of the file.
    """

    path: str
    name: str
    entries: Mapping[str, tuple[Entry, ...]]
    content: Mapping[str, Any] = field(default_factory=dict)

    @property
    def folder(self) -> str:
        """What its paths are relative to."""
        return os.path.dirname(self.path)

    def gradients(self, target: str) -> GradientStatistics | None:
        """What it keeps of a target's gradients; None where it keeps nothing of them.

        Raises UsageError where they are not as they must be.
        """
        return baseline_file.gradients(self.content, target, self.name)


def read(path: str, name: str, command: str, named_in: str = "") -> Baseline:
    """The baseline in a file. `command` makes one, and is told where there is none; `named_in` names it.

    Raises UsageError where the file is missing, cannot be read, or is no baseline of this version.
    """
    if not os.path.exists(path):
        where = [f"--> {named_in}"] if named_in else []
        advice = f"{command} {shlex.quote(name)}"
        raise UsageError(f"no such baseline: {name}", where=where, try_next=advice)
    advice = f"{command} {shlex.quote(name) if _is_blank(path) else 'FILE'}"
    content = baseline_file.content_of(path, name, advice)
    return Baseline(path, name, baseline_file.entries(content, name), content)


# ---------------------------------------------------------------- what is known


class Known:
    """Silences the findings that a baseline knows of one target, each entry as often as it counts.

    Of several findings alike, the first lines are taken for the known ones. It is asked once for each
    finding and counts down. A limit of the gate that is not kept is never known: the limit itself says what
    is accepted.
    """

    def __init__(self, baseline: Baseline, target: str) -> None:
        self._baseline = baseline
        self._target = target
        self._entries = baseline.entries.get(target)
        self._left = Counter[tuple[object, ...]]()
        self._silenced = 0
        for entry in self._entries or ():
            self._left[entry.key] += entry.count

    def __call__(self, finding: Finding, recording: Recording) -> str | None:
        """The name of the baseline where it knows the finding."""
        if _is_limit(finding.code):
            return None
        key = fingerprint(finding, recording.sources, self._baseline.folder).key
        if self._left[key] <= 0:
            return None
        self._left[key] -= 1
        self._silenced += 1
        return f"baseline {self._baseline.name}"

    @property
    def knows_target(self) -> bool:
        """Whether the baseline has a section of this target, be it empty."""
        return self._entries is not None

    @property
    def silenced(self) -> int:
        """How many findings it has silenced so far."""
        return self._silenced

    def gone(self, judged: Collection[str]) -> tuple[str, ...]:
        """What the baseline holds and was not found: "GS103 in build, model.py", with how often if not once.

        To be asked after the judgement. `judged` are the codes of the rules that could find something.
        """
        return tuple(
            _named(entry) + (f", {count:,} times" if count > 1 else "")
            for entry, count in self._left_over(judged)
        )

    def _left_over(self, judged: Collection[str]) -> list[tuple[Entry, int]]:
        """The entries that were not found as often as they count, and how often they were not."""
        left = self._left.copy()
        gone = []
        for entry in self._entries or ():
            count = min(entry.count, left[entry.key])
            left[entry.key] -= count
            if entry.code in judged and count > 0:
                gone.append((entry, count))
        return gone

    def remarks(self, judged: Collection[str], anything_shown: bool) -> list[str]:
        """What is to be said afterwards; `judged` are the codes of the rules that could find something."""
        name = self._baseline.name
        if self._entries is None:
            others = ", ".join(sorted(self._baseline.entries)[:3]) or "nothing"
            missing = (
                f"baseline {name} knows {others}, and not {self._target}: --write-baseline {name} adds it"
            )
            return [missing] if anything_shown else []
        gone = self._left_over(judged)
        if not gone:
            return []
        count = sum(each for _, each in gone)
        which = ", ".join(_named(entry) for entry, _ in gone[:3]) + (", ..." if len(gone) > 3 else "")
        nouns = "finding of baseline" if count == 1 else "findings of baseline"
        verb = "was" if count == 1 else "were"
        return [
            f"{count:,} {nouns} {name} {verb} not found again ({which}): fixed, or not reached in this run; "
            f"--write-baseline {name} forgets {'it' if count == 1 else 'them'}"
        ]


def _is_limit(code: str) -> bool:
    rule = find_rule(code)
    return rule is not None and rule.command == "gate"


def _named(entry: Entry) -> str:
    inside = f"{entry.function}, " if entry.function and not entry.function.startswith("<") else ""
    return f"{entry.code} in {inside}{entry.path or ', '.join(entry.subjects[:1])}"


# ---------------------------------------------------------------- writing


@dataclass(frozen=True, slots=True)
class Written:
    """What a baseline holds of a target now: findings in all, those it did not know, those it forgot."""

    findings: int
    new: int
    forgotten: int


@dataclass(frozen=True, slots=True)
class Section:
    """What a baseline is to hold of one target: findings, and what was measured of its gradients.

    `judged` are the codes of the rules that could find something; what the baseline holds of others is kept.
    Where `gradients` is None, what the baseline holds of the target's gradients is kept.
    """

    target: str
    findings: tuple[Finding, ...]
    recording: Recording
    judged: Collection[str]
    gradients: GradientStatistics | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """A baseline that is to be written. Made before the program runs, so that nothing is found out too late.

    `option` is what it was asked for with. Raises UsageError where the file cannot be written, or is there
    and is neither a baseline nor empty.
    """

    path: str
    name: str
    option: str = "--write-baseline"

    def __post_init__(self) -> None:
        check_writable(self.option, self.name, self.path, "baseline.json")
        self._before()

    @property
    def folder(self) -> str:
        """What its paths are relative to."""
        return os.path.dirname(self.path)

    def _before(self) -> dict[str, Any]:
        """What the file holds; a new file's beginning where there is none."""
        if not os.path.lexists(self.path) or _is_blank(self.path):
            return baseline_file.new_content()
        advice = f"{self.option} with another name: {self.name} is not overwritten"
        content = baseline_file.content_of(self.path, self.name, advice)
        baseline_file.entries(content, self.name)
        return content

    def write(
        self,
        target: str,
        findings: Iterable[Finding],
        recording: Recording,
        judged: Collection[str],
        *,
        redact: bool,
    ) -> Written:
        """Makes the findings the known ones of a target; what else the file holds is kept."""
        (written,) = self.write_all([Section(target, tuple(findings), recording, judged)], redact=redact)
        return written

    def write_all(self, sections: Sequence[Section], *, redact: bool) -> list[Written]:
        """Writes the sections of some targets, in one go; other targets, and rules not judged, are kept.

        `redact` writes hashes in place of lines, and no gradients: they are values of the program. The file
        is read again first: another run may have written to it meanwhile. Raises OutputError where it cannot
        be written.
        """
        content = self._before()
        before = baseline_file.entries(content, self.name)
        written = []
        for section in sections:
            counts = self._put(content, before.get(section.target, ()), section, redact=redact)
            written.append(counts)
        content["targets"] = dict(sorted(content.get("targets", {}).items()))
        try:
            with replacing(os.path.realpath(self.path), newline="\n") as file:
                file.write(baseline_file.file_text(content))
        except OSError as error:
            raise OutputError(f"baseline {self.name} was not written: {error.strerror}") from None
        return written

    def _put(
        self, content: dict[str, Any], before: Sequence[Entry], section: Section, *, redact: bool
    ) -> Written:
        kept = [entry for entry in before if entry.code not in section.judged]
        accepted = [finding for finding in section.findings if not _is_limit(finding.code)]
        entries = self._entries(accepted, section.recording, redact)
        ordered = sorted([*kept, *entries], key=lambda entry: entry.order)
        targets = content.setdefault("targets", {})
        known = targets.setdefault(section.target, {})
        known["findings"] = [msgspec.to_builtins(entry) for entry in ordered]
        if section.gradients is not None:
            known.pop(baseline_file.GRADIENTS, None)
            if not redact:
                known[baseline_file.GRADIENTS] = baseline_file.gradients_content(section.gradients)
        old, new = _counts(entry for entry in before if entry.code in section.judged), _counts(entries)
        return Written(new.total(), (new - old).total(), (old - new).total())

    def _entries(self, findings: Iterable[Finding], recording: Recording, redact: bool) -> list[Entry]:
        prints = [fingerprint(finding, recording.sources, self.folder) for finding in findings]
        firsts = {each.key: each for each in reversed(prints)}
        return [
            Entry(
                each.code,
                each.rule,
                each.path,
                each.function,
                hashed(each.source) if redact and each.source else each.source,
                each.subjects,
                count=count,
            )
            for key, count in Counter(each.key for each in prints).items()
            for each in [firsts[key]]
        ]


def _is_blank(path: str) -> bool:
    if not os.path.isfile(path) or os.path.getsize(path) > _LONGEST_BLANK:
        return False
    with open(path, "rb") as file:
        return not file.read().strip()


_LONGEST_BLANK = 64  # bytes


def _counts(entries: Iterable[Entry]) -> Counter[tuple[object, ...]]:
    counts = Counter[tuple[object, ...]]()
    for entry in entries:
        counts[entry.key] += entry.count
    return counts
