"""The page of `gradscope memory`."""

from __future__ import annotations

from rich.text import Text

from gradscope.report import Report
from gradscope.reporters.screen.findings import finding_lines
from gradscope.reporters.screen.footer import program_lines, remark_lines
from gradscope.reporters.screen.memory.modules import module_lines
from gradscope.reporters.screen.memory.peak import peak_lines
from gradscope.reporters.screen.memory.plan import code_lines, plan_lines
from gradscope.reporters.screen.memory.saved import line_rows, tensor_rows, unused_rows
from gradscope.reporters.screen.memory.summary import summary_lines
from gradscope.reporters.screen.memory.sweep import sweep_lines
from gradscope.reporters.screen.page import Page


def memory_blocks(report: Report, page: Page) -> list[list[Text]]:
    """Findings first, then the peak, who saves what, what checkpointing would change, and the end."""
    memory = report.recording.memory
    findings = [finding_lines(finding, report.recording, page) for finding in report.findings]
    ending = [*remark_lines(report, page), *summary_lines(report, page)]
    if memory is None:
        return [*findings, program_lines(report, page), ending]
    from_python = report.target.partition("(")[0] == "gradscope.memory"
    json = ".json()" if from_python else "--format json"
    return [
        *findings,
        program_lines(report, page),
        peak_lines(report, memory, page),
        unused_rows(memory, page, json),
        module_lines(memory, page),
        line_rows(memory, report.recording, page, json),
        tensor_rows(memory, page, json),
        sweep_lines(memory.sweep, page),
        plan_lines(memory, page, from_python=from_python),
        code_lines(memory, page),
        ending,
    ]
