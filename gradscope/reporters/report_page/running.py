"""What ran: the training step, the chain rule of small graphs, and tables of backwards, hooks, optimizers."""

from __future__ import annotations

from collections.abc import Sequence

from gradscope.facts import ChainTable, Recording
from gradscope.report import Report
from gradscope.reporters.paths import in_package, short_path
from gradscope.reporters.report_page.shapes import Chain, Phases, Table
from gradscope.reporters.report_page.texts import place_text
from gradscope.reporters.screen.backwards import backward_items, chain_rule_of
from gradscope.reporters.screen.chain_table import HEADS, whole_table
from gradscope.reporters.screen.hooks import change_text, hook_head
from gradscope.reporters.screen.loop import loop_heading, phase_row
from gradscope.reporters.screen.page import Page
from gradscope.reporters.screen.words import group_names, number, plural

_MOST_NAMES = 4


def phases_of(report: Report, page: Page) -> Phases | None:
    """The step of the training loop, a row for each of its lines; None where nothing stepped."""
    loop = report.recording.loop
    if loop is None or len(loop.phases) < 2:
        return None
    files = {phase.location.path if phase.location else "" for phase in loop.phases}
    path = files.pop() if len(files) == 1 else ""
    where = page.text(in_package(path) or short_path(path, page.cwd))
    rows = [phase_row(phase, loop, report, page, alone=bool(where)) for phase in loop.phases]
    cells = [(row.kind, row.place, row.source, row.remark, row.codes) for row in rows]
    heads = ("phase", "where", "call", "", "findings")
    shown = len(heads) if any(row.codes for row in rows) else len(heads) - 1
    title = "".join(line.plain for line in loop_heading(loop, where, page))
    return Phases(
        title=title[:1].upper() + title[1:],
        table=Table(heads=heads[:shown], rows=[row[:shown] for row in cells], code=(1, 2)),
        note=f"and {plural(loop.left_out, 'more line')}" if loop.left_out else "",
    )


def chains_of(recording: Recording, page: Page) -> list[Chain]:
    """The chain-rule table of every small graph."""
    return [_chain(each, recording, page) for each in recording.chains]


def _chain(table: ChainTable, recording: Recording, page: Page) -> Chain:
    lines = whole_table(table, page)
    items = []
    if table.value is not None and table.scalar:
        items.append(f"{page.text(table.root or 'result')} = {number(table.value)}")
    if table.seed is not None:
        items.append(f"seed {page.text(table.seed)}")
    if table.times > 1:
        items.append(f"seen {table.times:,} times")
    is_norm = any(row.shape and row.value is not None for row in table.rows)
    return Chain(
        title=chain_rule_of(table, page),
        source=page.text(recording.line(table.backward).strip()),
        items=items,
        heads=HEADS,
        rows=[line.columns for line in lines],
        results=[line.result for line in lines],
        note="|v| is the 2-norm of a tensor v" if is_norm else "",
    )


def tables_of(report: Report, page: Page) -> list[tuple[str, Table]]:
    """Backwards, hooks that change gradients, optimizers, and what drifted from a baseline."""
    recording, values = report.recording, not report.redacted
    found = (
        ("Backwards", _backwards(recording, page)),
        ("Hooks that change gradients", _hooks(recording, page, values=values)),
        ("Optimizers", _optimizers(recording, page)),
        _drift(recording, page),
    )
    return [(title, table) for title, table in found if table.rows]


def _backwards(recording: Recording, page: Page) -> Table:
    rows = [
        (
            place_text(each.location, page),
            page.text(recording.line(each.location).strip()) or each.call,
            " · ".join([*backward_items(each, page), *([f"{each.failed:,} failed"] if each.failed else [])]),
        )
        for each in recording.backwards
    ]
    return Table(heads=("where", "call", ""), rows=rows, code=(0, 1))


def _hooks(recording: Recording, page: Page, *, values: bool) -> Table:
    rows = [
        (hook_head(hook, page), change_text(change, hook, values=values))
        for hook in recording.hooks
        for change in hook.changes
    ]
    return Table(heads=("hook", "what it does"), rows=rows, code=(0,))


def _optimizers(recording: Recording, page: Page) -> Table:
    rows = [
        (
            page.text(each.class_name),
            place_text(each.location, page),
            plural(each.steps, "step"),
            page.text(group_names(each.leaves, _MOST_NAMES)),
            page.text(group_names(each.orphans, _MOST_NAMES)),
        )
        for each in recording.optimizers
    ]
    heads, code = ("optimizer", "where", "steps", "owns", "owns, and no root module has"), (1, 3, 4)
    if not any(each.orphans for each in recording.optimizers):
        return Table(heads=heads[:4], rows=[row[:4] for row in rows], code=code[:2])
    return Table(heads=heads, rows=rows, code=code)


def _drift(recording: Recording, page: Page) -> tuple[str, Table]:
    drift = recording.drift
    if drift is None:
        return "", Table(heads=(), rows=[])
    rows = [
        (page.text(each.parameter or "the loss"), each.figure, _figure(each.before), _figure(each.now))
        for each in drift.drifts
    ]
    rows += [(page.text(name), "", "in the baseline", "no such parameter") for name in drift.vanished]
    rows += [(page.text(name), "", "not in the baseline", "new") for name in drift.new]
    name = page.text(page.shortened(drift.baseline))
    title = f"Against the gradients of {name}: {_compared(drift.compared, drift.tolerance)}"
    other = _others(drift.other_hardware)
    return title + page.text(other), Table(
        heads=("parameter", "figure", "before", "now"), rows=rows, numeric=(2, 3), code=(0,)
    )


def _compared(count: int, tolerance: float) -> str:
    return f"{plural(count, 'figure')} compared, tolerance {number(tolerance)}"


def _others(hardware: Sequence[str]) -> str:
    return f", widened for {', '.join(hardware)}" if hardware else ""


def _figure(value: float | None) -> str:
    return "none" if value is None else number(value)
