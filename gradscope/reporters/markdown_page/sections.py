"""What is told of each target: its trouble, its findings as far as there is room, the worst of all first."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from gradscope.finding import Finding
from gradscope.outcomes import GateReport, Outcome, Verdict
from gradscope.reporters.gate_words import unexplained
from gradscope.reporters.markdown_page.escaping import code, prose
from gradscope.reporters.markdown_page.findings import finding_blocks, trouble_blocks
from gradscope.reporters.markdown_page.room import Room
from gradscope.reporters.markdown_page.table import MARKS
from gradscope.reporters.screen.gate.targets import verdict_word
from gradscope.reporters.screen.page import Page
from gradscope.reporters.screen.words import plural

_OPEN: Final = 5  # findings of a target that are not folded
_REMARK: Final = " " * 64  # no shorter than the line that counts findings left out
_TRIED: Final = 10  # findings too large for the room that is left, after which no more are tried
_NOTES: Final = 10
_FIXED: Final = 50


@dataclass(slots=True)
class _Section:
    outcome: Outcome
    head: list[str]
    shown: dict[int, list[str]] = field(default_factory=dict)  # blocks of findings by their number

    @property
    def findings(self) -> tuple[Finding, ...]:
        return self.outcome.report.findings if self.outcome.report is not None else ()


def section_blocks(gate: GateReport, page: Page, room: Room) -> list[str]:
    """The blocks of all targets that have a trouble, a finding, or fewer findings than the baseline."""
    sections, left_out = [], 0
    for outcome in gate.outcomes:
        section = _Section(outcome, _head(outcome, gate, page, details=True))
        if not section.head and not section.findings:
            continue
        reserve = [_REMARK] if section.findings else []
        if not room.has_taken([*section.head, *reserve]):
            section.head = _head(outcome, gate, page, details=False)
            if not room.has_taken([*section.head, *reserve]):
                left_out += 1
                continue
        sections.append(section)
    _fill(sections, page, room)
    blocks = [block for section in sections for block in _blocks(section)]
    if left_out:
        blocks.append(f"{plural(left_out, 'more target')} with findings or troubles left out: no room here")
    return blocks


def _head(outcome: Outcome, gate: GateReport, page: Page, *, details: bool) -> list[str]:
    """Heading, trouble, notes, what is fixed; without `details` the first two, in short."""
    has_findings = outcome.report is not None and bool(outcome.report.findings)
    trouble, why = outcome.trouble, unexplained(outcome) if gate.is_gate else ""  # else the title says it
    told = trouble_blocks(trouble, page) if trouble is not None else [why] if why else []
    notes = outcome.report.recording.notes if outcome.report is not None and (told or has_findings) else ()
    fixed = _fixed(outcome, page)
    if not (told or has_findings or fixed):
        return []
    mark = f"{MARKS[outcome.verdict]} {verdict_word(outcome)}"
    heading = [f"### {mark}: {outcome.command} {code(page.text(outcome.name))}"] if gate.is_gate else []
    if not details:
        return [*heading, *told[:1]]
    listed = "\n".join(f"- **note**: {prose(page.text(note))}" for note in notes[:_NOTES])
    return [*heading, *told, *([listed] if listed else []), *fixed]


def _fixed(outcome: Outcome, page: Page) -> list[str]:
    if not outcome.fixed:
        return []
    lines = [f"- fixed: {prose(page.text(each))}" for each in outcome.fixed[:_FIXED]]
    more = len(outcome.fixed) - _FIXED
    counted = [f"- and {more:,} more" if more > 0 else ""]
    items = "\n".join(filter(None, [*lines, *counted]))
    return [folded(f"{plural(len(outcome.fixed), 'finding')} of the baseline fixed", [items])]


def _fill(sections: list[_Section], page: Page, room: Room) -> None:
    """Takes findings in as long as there is room: the most severe of all targets first."""
    waiting = [(section, number) for section in sections for number in range(len(section.findings))]
    too_large = 0
    waiting.sort(key=lambda each: -each[0].findings[each[1]].severity.rank)
    for section, number in waiting:
        report = section.outcome.report
        assert report is not None
        blocks = finding_blocks(report.findings[number], report, page)
        if room.has_taken(blocks):
            section.shown[number] = blocks
        elif (too_large := too_large + 1) > _TRIED:
            break


def _blocks(section: _Section) -> list[str]:
    """The section as it is shown: findings that do not fail the target, and those after the first, folded."""
    shown = [section.shown[number] for number in sorted(section.shown)]
    is_open = _OPEN if section.outcome.verdict is not Verdict.PASSED else 0
    first, rest = shown[:is_open], shown[is_open:]
    blocks = [*section.head, *(block for finding in first for block in finding)]
    if rest:
        title = plural(len(rest), "more finding" if first else "finding")
        blocks.append(folded(title, [block for finding in rest for block in finding]))
    missing = len(section.findings) - len(shown)
    if missing:
        blocks.append(f"{plural(missing, 'more finding')} left out: no room here")
    return blocks


def folded(title: str, blocks: list[str]) -> str:
    """Blocks that show when their title, words of our own, is clicked."""
    return "\n\n".join([f"<details>\n<summary>{title}</summary>", *blocks, "</details>"])
