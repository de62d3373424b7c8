"""Slices as Chrome's trace events."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gradscope.finding import Location
from gradscope.folds.timeline import Origin, Slice
from gradscope.reporters.chrome_trace import START, ChromeTrace


@dataclass(frozen=True)
class Spot:
    """A place that is known already."""

    where: Location

    @property
    def caller(self) -> Spot | None:
        return None

    def location(self) -> Location | None:
        return self.where


def document(trace: ChromeTrace, *slices: Slice, **about: Any) -> Any:
    text = START + trace.events(slices) + trace.end("gradscope trace it", {2: "main thread"}, about, None)

    def refuse(constant: str) -> Any:
        raise AssertionError(constant)

    return json.loads(text, parse_constant=refuse)


def test_times_are_exact_to_the_nanosecond() -> None:
    boot = 2**62  # far beyond what a double counts in nanoseconds
    written = document(ChromeTrace(7, boot, "/"), Slice(boot + 1_000_001, boot + 1_002_003, 2, "op", "add"))
    (event,) = [each for each in written["traceEvents"] if each["ph"] == "X"]
    assert event == {
        "ph": "X",
        "pid": 7,
        "tid": 2,
        "ts": 1000.001,
        "dur": 2.002,
        "cat": "op",
        "name": "add",
        "args": {},
    }


def test_an_arrow_begins_and_ends_inside_its_slices() -> None:
    forward = Slice(1_000, 3_000, 2, "op", "mul")
    backward = Slice(5_000, 9_000, 2, "node", "MulBackward0", origin=Origin(1_000, 2))
    events = document(ChromeTrace(7, 0, "/"), forward, backward, backward)["traceEvents"]
    arrows = [each for each in events if each["ph"] in "sf"]
    assert [(each["ph"], each["id"], each["ts"]) for each in arrows] == [
        ("s", 1, 1.001),
        ("f", 1, 5.001),
        ("s", 2, 1.001),
        ("f", 2, 5.001),
    ]
    assert [each.get("bp") for each in arrows] == [None, "e"] * 2
    assert {(each["cat"], each["name"]) for each in arrows} == {("flow", "forward to backward")}


def test_names_of_the_process_and_its_tracks() -> None:
    events = document(ChromeTrace(7, 0, "/"))["traceEvents"]
    assert [(each["name"], each["tid"], each["args"]) for each in events] == [
        ("process_name", 0, {"name": "gradscope trace it"}),
        ("thread_name", 2, {"name": "main thread"}),
        ("thread_sort_index", 2, {"sort_index": 2}),
    ]


def test_what_json_cannot_write() -> None:
    hostile = Slice(0, 1, 2, "op", 'a"\n</script>\x1b', details=(("raised", True), ("é", "\udcff")))
    written = document(ChromeTrace(7, 0, "/"), hostile, loss=math.nan, bounds=[math.inf, -math.inf, 1.5])
    assert written["otherData"] == {"loss": "nan", "bounds": ["inf", "-inf", 1.5]}
    assert written["traceEvents"][0]["name"] == 'a"\n</script>\\x1b'
    assert written["traceEvents"][0]["args"] == {"raised": True, "é": "\udcff"}


def test_tensors() -> None:
    given = (((2, 3), "torch.float32"), ((4,), None), ((), "torch.int64"), (None, None))
    written = document(ChromeTrace(7, 0, "/"), Slice(0, 1, 2, "op", "svd", details=(("output", given),)))
    assert written["traceEvents"][0]["args"]["output"] == "float32 (2, 3), (4,), int64 (), undefined"


@pytest.mark.parametrize("redacted", [False, True])
def test_places(tmp_path: Path, redacted: bool) -> None:
    source = tmp_path / "train.py"
    source.write_text("y = f(\n    x,\n)\nfor batch in loader:\n    step(batch)\n", encoding="utf-8")
    call = Location(str(source), 1, 5, 3, 2, "main", "net.head")
    loop = Location(str(source), 4, 1, 5, 16)
    slices = [Slice(0, 1, 2, "op", "f", Spot(place)) for place in (call, loop)]
    inside = document(ChromeTrace(7, 0, str(tmp_path), redacted=redacted), *slices)["traceEvents"]
    expressions = [] if redacted else ["f( x, )", "for batch in loader:"]
    assert [each["args"]["line"] for each in inside[:2]] == ["train.py:1", "train.py:4"]
    assert [each["args"]["expression"] for each in inside[:2] if "expression" in each["args"]] == expressions
    assert inside[0]["args"]["module"] == "net.head"
    outside = document(ChromeTrace(7, 0, "/nowhere", redacted=redacted), *slices)["traceEvents"]
    assert outside[0]["args"]["line"] == ("<path>:1" if redacted else f"{source}:1")
