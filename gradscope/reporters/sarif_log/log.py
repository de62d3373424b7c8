"""The whole SARIF log: one run, with the results of all targets."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Final

from gradscope import __version__
from gradscope.fingerprint import fingerprint
from gradscope.outcomes import GateReport
from gradscope.reporters.ascii_json import ascii_json
from gradscope.reporters.distinct_findings import Found, distinct_findings
from gradscope.reporters.sarif_log.invocations import invocation
from gradscope.reporters.sarif_log.places import ROOT, file_uri
from gradscope.reporters.sarif_log.results import result
from gradscope.reporters.sarif_log.rules import descriptors, trouble_descriptors
from gradscope.reporters.sarif_log.silenced import silenced
from gradscope.reporters.target_files import repository

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
MOST_RESULTS: Final = 25_000  # that GitHub takes of one run
MOST_BYTES: Final = 10_000_000  # that GitHub takes of one file, compressed


def log_text(gate: GateReport, cwd: str) -> str:
    """The log as JSON, in ASCII. Where there is more than GitHub takes, it keeps the worst and says so."""
    most = MOST_RESULTS
    while True:
        text = ascii_json(_log(gate, cwd, most))
        if most == 0 or len(text) <= MOST_BYTES or len(gzip.compress(text.encode("ascii"))) <= MOST_BYTES:
            return text
        most = min(most, sum(len(report.findings) for report in gate.reports())) // 2


def _log(gate: GateReport, cwd: str, most: int) -> dict[str, Any]:
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [_run(gate, cwd, most)]}


def _run(gate: GateReport, cwd: str, most: int) -> dict[str, Any]:
    """The run. It has no `automationDetails`: with them the `category` of GitHub's `upload-sarif`, which
    keeps the logs of several jobs apart, would count for nothing.
    """
    found = distinct_findings(gate)
    kept = found if len(found) <= most else sorted(found, key=lambda one: -one.finding.severity.rank)[:most]
    rules = descriptors(one.finding for one in kept)
    troubles = trouble_descriptors(each.trouble.kind for each in gate.outcomes if each.trouble is not None)
    driver: dict[str, Any] = {
        "name": "gradscope",
        "version": __version__,
        "semanticVersion": __version__,
        "rules": rules,
    }
    if troubles:
        driver["notifications"] = troubles
    return {
        "tool": {"driver": driver},
        "originalUriBaseIds": {ROOT: _root(gate, cwd)},
        "columnKind": "unicodeCodePoints",
        "defaultEncoding": "utf-8",
        "defaultSourceLanguage": "python",
        "invocations": [invocation(gate, cwd)],
        "results": list(_results(kept, rules, gate, cwd)),
        "properties": _properties(gate, cwd, found=len(found), kept=len(kept)),
    }


def _root(gate: GateReport, cwd: str) -> dict[str, Any]:
    root = repository(cwd)
    where = "in which gradscope was run" if root == cwd else "of the repository"
    description = {"text": f"the folder {where}"}
    if gate.redacted:
        return {"description": description}
    return {"uri": f"{file_uri(root).rstrip('/')}/", "description": description}


def _results(
    kept: Iterable[Found], rules: list[dict[str, Any]], gate: GateReport, cwd: str
) -> Iterator[dict[str, Any]]:
    indices = {rule["id"]: index for index, rule in enumerate(rules)}
    seen = Counter[str]()
    for one in kept:
        assert one.outcome.report is not None
        digest = fingerprint(one.finding, one.outcome.report.recording.sources, repository(cwd)).digest
        seen[digest] += 1
        yield result(
            one,
            rule_index=indices[one.finding.code],
            fingerprint=f"{digest}:{seen[digest]}",
            is_new=bool(gate.baseline),
            cwd=cwd,
        )


def _properties(gate: GateReport, cwd: str, *, found: int, kept: int) -> dict[str, Any]:
    made: dict[str, Any] = {"environment": dict(sorted(gate.environment.items()))}
    if gate.baseline:
        made["baseline"] = gate.baseline
    if kept < found:
        made["cut"] = f"{found - kept:,} of {found:,} results are left out, so that GitHub takes the log"
    quiet = [entry for outcome in gate.outcomes for entry in silenced(outcome, cwd)]
    if quiet:
        made["silenced"] = quiet
    return made
