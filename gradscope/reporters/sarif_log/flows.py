"""SARIF codeFlows: what led to a finding and what it led to, in the order in which the program ran.

The ways are those that the facts tell. A flow that led to the finding ends at it, as viewers of SARIF
expect; another one starts there. Without facts, in a redacted report say, there are none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from gradscope.facts import Recording
from gradscope.finding import Finding, Location
from gradscope.reporters.sarif_log.places import Places
from gradscope.reporters.sarif_log.ways import Passage, Way, ways

_MOST_PASSAGES: Final = 60  # of one flow; GitHub shows at most 1,000


def code_flows(finding: Finding, recording: Recording, places: Places) -> list[dict[str, Any]]:
    """The flows of a finding: none, the one that ends at it, the one that starts there, or both."""
    where = finding.location
    if where is None:
        return []
    for way in ways(finding, recording):
        index = _own_index(way, where)
        if index is None:
            continue
        own = Passage(where, finding.label or finding.message, own=True)
        before = [*_told(way[:index], other_than=where, last=True), own]
        after = [own, *_told(way[index + 1 :], other_than=where)]
        flows = ((before, "how it came about"), (after, "what it led to"))
        return [_flow(passages, text, places) for passages, text in flows if len(passages) > 1]
    return []


def _own_index(way: Way, where: Location) -> int | None:
    """Which passage is the finding's: one on its line that is marked so, or else the last of the first ones
    there. None where the way does not come through its line.
    """
    there = [one.location is not None and one.location.at == where.at for one in way]
    if True not in there:
        return None
    marked = [index for index, one in enumerate(way) if one.own and there[index]]
    if marked:
        return marked[0]
    first = there.index(True)
    return next((i - 1 for i in range(first, len(there)) if not there[i]), len(there) - 1)


def _told(way: Way, *, other_than: Location, last: bool = False) -> list[Passage]:
    """The passages whose place is known, one for each place in a row; none next to the finding is at it."""
    told: list[Passage] = []
    for one in way:
        if one.location is None:
            continue
        if told and told[-1].location == one.location:
            told[-1] = Passage(one.location, f"{told[-1].text} -> {one.text}")
        else:
            told.append(one)
    neighbour = -1 if last else 0
    if told and told[neighbour].location == other_than:
        told.pop(neighbour)
    return told


def _flow(passages: Sequence[Passage], text: str, places: Places) -> dict[str, Any]:
    kept = list(passages)
    if len(kept) > _MOST_PASSAGES:
        half = _MOST_PASSAGES // 2
        text = f"{text}; {len(kept) - 2 * half:,} places in the middle are left out"
        kept = kept[:half] + kept[-half:]
    locations = [
        {
            "location": places.location(one.location, one.text),
            "importance": "essential" if one.own else "important",
            "executionOrder": number,
        }
        for number, one in enumerate(kept, 1)
        if one.location is not None
    ]
    return {"message": {"text": text}, "threadFlows": [{"locations": locations}]}
