"""The page of `gradscope gate`: what each target was found guilty of, all targets, the summary."""

from __future__ import annotations

from rich.text import Text

from gradscope.outcomes import GateReport, Outcome, Trouble
from gradscope.reporters.gate_words import unexplained
from gradscope.reporters.screen.findings import finding_lines, row_lines
from gradscope.reporters.screen.footer import remark_lines
from gradscope.reporters.screen.gate.summary import gate_summary_lines
from gradscope.reporters.screen.gate.targets import NEUTRAL, STYLE_OF, target_lines, verdict_word
from gradscope.reporters.screen.page import STYLES, Page
from gradscope.reporters.screen.words import wrap


def gate_lines(gate: GateReport, page: Page) -> list[Text]:
    """The whole page, a blank line between its blocks."""
    blocks = [
        *(block for outcome in gate.outcomes for block in _outcome_blocks(outcome, page)),
        target_lines(gate, page),
        [*_notes(gate, page), *gate_summary_lines(gate, page)],
    ]
    filled = [block for block in blocks if block]
    return [line for i, block in enumerate(filled) for line in ([Text()] if i else []) + block]


def _outcome_blocks(outcome: Outcome, page: Page) -> list[list[Text]]:
    """A target's heading, its trouble, its findings and what is to be remarked; nothing where all is well."""
    report = outcome.report
    findings = report.findings if report is not None else ()
    words = unexplained(outcome)
    if outcome.trouble is None and not findings and not words:
        return []
    blocks = [[_heading(outcome, page)]]
    if words:
        blocks.append([Text(f"FAILED: {words}", STYLES["error"])])
    if outcome.trouble is not None:
        blocks.append(_trouble_lines(outcome, outcome.trouble, page))
    if report is not None:
        blocks += (finding_lines(finding, report.recording, page) for finding in findings)
        blocks.append(remark_lines(report, page))
    return blocks


def _heading(outcome: Outcome, page: Page) -> Text:
    """The target on a line of its own, the line drawn to the edge."""
    words = f"-- {outcome.command} {page.text(outcome.name)} "
    return Text(words + "-" * max(0, page.width - len(words)), STYLES["faint"])


def _trouble_lines(outcome: Outcome, trouble: Trouble, page: Page) -> list[Text]:
    word = verdict_word(outcome)
    first, *rest = wrap(f"{word}: {page.text(page.shortened(trouble.message))}", page.width)
    head = Text(first)
    head.stylize(STYLES[STYLE_OF.get(outcome.verdict, NEUTRAL)], 0, len(word))
    place = trouble.location
    return [
        head,
        *(Text("  " + line) for line in rest),
        *([Text.assemble(("  --> ", STYLES["gutter"]), page.at(place))] if place is not None else []),
        *(Text("  " + page.text(line.expandtabs(4)), STYLES["faint"]) for line in trouble.details),
    ]


def _notes(gate: GateReport, page: Page) -> list[Text]:
    fixed = [f"{each.name}: {', '.join(each.fixed)}" for each in gate.outcomes if each.fixed]
    rows = [("fixed", page.text(text)) for text in fixed]
    if fixed:
        rows.append(("", "--update-baseline forgets what is fixed"))
    return row_lines([*rows, *(("note", page.text(note)) for note in gate.notes)], page)
