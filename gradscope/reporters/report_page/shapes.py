"""What the page is told, as types: texts are printable and as they are to be read, shares are 0..1.

Everything is text that Python made, so that a figure reads as on the screen; only what is drawn is a number.
A *tone* is "error", "warning", "info", "good" or "faint", "" for none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import msgspec

Headed: TypeAlias = tuple[str, str]
"""A heading, and the text that it stands over."""

Number: TypeAlias = float | str | None
"""A number for JSON, which has no NaN and no infinity: they are spelled. None where there is no point."""


class Shape(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What all have in common: names as the script writes them."""


class Table(Shape, frozen=True, kw_only=True):
    """Rows under heads; the columns of those numbers are right-aligned, or of code."""

    heads: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    numeric: tuple[int, ...] = ()
    code: tuple[int, ...] = ()


class Curve(Shape, frozen=True, kw_only=True):
    """One line, or dots that are not joined; a `y` for each x of its plot."""

    label: str
    y: list[Number]
    dots: bool = False


class Plot(Shape, frozen=True, kw_only=True):
    """Curves over the same places: `names` in order, or the numbers `x`; `log` axes have powers of ten.

    `missing` says what it means where no curve has a point, "" where that needs no mark.
    """

    title: str
    x_label: str
    y_label: str
    curves: list[Curve]
    names: list[str] = []
    x: list[Number] = []
    log_x: bool = False
    log_y: bool = False
    missing: str = ""
    note: str = ""


class Mark(Shape, frozen=True, kw_only=True):
    """The characters from `start` up to `end` of a line of source, counted from 0."""

    start: int
    end: int
    label: str
    primary: bool


class SourceLine(Shape, frozen=True, kw_only=True):
    """A line of source as it is printed. `after_gap` says that lines before it were left out."""

    number: int
    text: str
    marks: list[Mark] = []
    after_gap: bool = False


class Frame(Shape, frozen=True, kw_only=True):
    """The lines of a file that a finding speaks of; `told` are places whose source is not known."""

    at: str
    inside: str
    lines: list[SourceLine] = []
    told: list[Headed] = []


class Consequence(Shape, frozen=True, kw_only=True):
    """A finding that another one explains."""

    severity: str
    code: str
    rule: str
    at: str
    message: str


class Finding(Shape, frozen=True, kw_only=True):
    """A finding with all that is said of it. `profile` is a name, a size and a share of the longest bar."""

    severity: str
    code: str
    rule: str
    message: str
    at: str
    frames: list[Frame]
    rows: list[Headed]
    profile: list[tuple[str, str, float]]
    also: list[Consequence]
    fix: str
    evidence: list[Headed]
    silenced_by: str = ""


class Node(Shape, frozen=True, kw_only=True, omit_defaults=True):
    """A module or a parameter of the tree; `hint` is what else is known of it."""

    name: str
    kind: str = ""
    size: str = ""
    numbers: tuple[str, ...] = ()
    bar: float = 0  # a whole zero is left out of the JSON
    remark: str = ""
    tone: str = ""
    hint: str = ""
    below: list[Node] = []


class Tree(Shape, frozen=True, kw_only=True):
    """The modules. `heads` are those of the numbers; `scale` says how bars are drawn, "" where none is."""

    heads: tuple[str, ...]
    roots: list[Node]
    scale: str


class Chain(Shape, frozen=True, kw_only=True):
    """The chain rule at work in one backward; `wide` rows have a text in place of their last two cells."""

    title: str
    source: str
    items: list[str]
    heads: tuple[str, ...]
    rows: list[tuple[str, ...]]
    results: list[str]
    note: str


class Phases(Shape, frozen=True, kw_only=True):
    """The lines of a training step."""

    title: str
    table: Table
    note: str


class Subject(Shape, frozen=True, kw_only=True):
    """A checked function or model: how it stands in a word, and all that was measured of it.

    `findings` are their numbers in the report.
    """

    name: str
    file: str
    at: str
    word: str
    tone: str
    told: list[str]
    findings: list[int]
    details: list[Headed]
    outcomes: list[tuple[str, str, str]]
    tables: list[tuple[str, Table]]
    plots: list[Plot]


class Report(Shape, frozen=True, kw_only=True):
    """One command's report. What there is nothing to say of is empty or None."""

    command: str
    target: str
    summary: list[str]
    tone: str
    findings: list[Finding]
    silenced: list[Finding]
    failure: str
    traceback: list[str]
    subjects: list[Subject]
    tree: Tree | None
    plots: list[Plot]
    phases: Phases | None
    chains: list[Chain]
    tables: list[tuple[str, Table]]
    notes: list[Headed]
    environment: list[Headed]


class Trouble(Shape, frozen=True, kw_only=True):
    """Why a target could not be judged, or not only by its findings."""

    kind: str
    message: str
    at: str
    details: list[str]


class Outcome(Shape, frozen=True, kw_only=True):
    """A target of the gate: `word` is its verdict as a log shows it, `figures` its cells of the overview."""

    name: str
    target: str
    command: str
    verdict: str
    word: str
    tone: str
    figures: tuple[str, ...]
    remark: str
    trouble: Trouble | None
    fixed: list[str]
    stated_at: str
    report: Report | None


class Content(Shape, frozen=True, kw_only=True):
    """The whole page. `word` is the verdict; `heads` are those of the outcomes' figures."""

    title: str
    is_gate: bool
    word: str
    summary: list[str]
    tone: str
    heads: tuple[str, ...]
    outcomes: list[Outcome]
    redacted: bool
    notes: list[str]
    environment: list[Headed]
