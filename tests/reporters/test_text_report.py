"""The terminal report as a whole: streams, colour, encodings, and what the last line may say."""

from __future__ import annotations

import io
import os
import re
from dataclasses import replace

import pytest
from rich.cells import cell_len

from gradscope.endings import is_explained
from gradscope.facts import ProgramEnd, Recording
from gradscope.finding import Finding, Severity
from gradscope.report import Suppressed
from gradscope.reporters import render
from gradscope.reporters.screen import page

from .rendering import SAMPLES, text
from .samples import HOME, cut, inplace, report
from .samples_frames import hard_lines, hostile, several_files
from .samples_lessons import crash
from .samples_models import frozen_encoder, gpt

ANSI = re.compile(r"\x1b\[[\d;]*m")


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")


def last_line(text: str) -> str:
    return text.rstrip("\n").rpartition("\n")[2]


@pytest.mark.parametrize("name", SAMPLES)
def test_colour_only_underlines_the_words(name: str) -> None:
    colored = text(SAMPLES[name](), color=True)
    assert "\x1b[" in colored
    assert ANSI.sub("", colored) == text(SAMPLES[name]())


def test_no_escape_of_the_program_reaches_the_terminal() -> None:
    shown = text(hostile(), color=False)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202e\ud800-\udfff]", shown)
    for name in ("grad[i]", "[/red]", ":smile:", "[u]because", "\\x1b[31m"):
        assert name in shown
    assert ANSI.sub("", text(hostile(), color=True)) == shown


def test_colour_is_decided_by_stream_and_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not page.has_color(io.StringIO(), None)
    assert page.has_color(Terminal(), None)
    assert page.has_color(io.StringIO(), True)
    assert not page.has_color(Terminal(), False)
    monkeypatch.setenv("TERM", "dumb")
    assert not page.has_color(Terminal(), None)
    monkeypatch.setenv("FORCE_COLOR", "0")
    assert not page.has_color(io.StringIO(), None)
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert page.has_color(io.StringIO(), None)
    monkeypatch.setenv("NO_COLOR", "1")
    assert not page.has_color(Terminal(), None)


def test_width_is_decided_by_argument_environment_and_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    assert page.width_of(io.StringIO(), None) == 80
    assert page.width_of(Terminal(), None) == 80  # it has no file descriptor
    assert page.width_of(io.StringIO(), 100) == 100
    assert page.width_of(io.StringIO(), 1) == page.NARROWEST
    monkeypatch.setenv("COLUMNS", "97")
    assert page.width_of(io.StringIO(), None) == 97
    monkeypatch.setenv("COLUMNS", "1000")
    assert page.width_of(io.StringIO(), None) == page.WIDEST
    monkeypatch.setenv("COLUMNS", "wide")
    assert page.width_of(io.StringIO(), None) == 80


def test_width_of_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(terminal, "fileno", lambda: 1)
    monkeypatch.setattr(os, "get_terminal_size", lambda _: os.terminal_size((93, 40)))
    assert page.width_of(terminal, None) == 93
    monkeypatch.setattr(os, "get_terminal_size", lambda _: os.terminal_size((0, 0)))
    assert page.width_of(terminal, None) == 80  # nobody told the terminal its size


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1"])
@pytest.mark.parametrize("name", SAMPLES)
def test_any_encoding_will_do(name: str, encoding: str) -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding=encoding, newline="\n")
    render("text", SAMPLES[name](), out, width=80, color=False, cwd=HOME)
    out.flush()
    shown = raw.getvalue().decode(encoding)
    assert len(shown.splitlines()) >= len(text(SAMPLES[name]()).splitlines())


def test_our_own_characters_in_ascii() -> None:
    lines = io.StringIO()
    bars = [line for line in text(gpt()).splitlines() if "█" in line]
    page.write([page.Text(line) for line in (*bars, "a · b")], lines, color=False, encoding="ascii")
    drawn = lines.getvalue().splitlines()
    assert drawn[-1] == "a | b"
    assert drawn[0].startswith("     0 ####################   9.2e-01")
    assert all(line.isascii() for line in drawn)
    assert page.PLAIN.keys() == set(map(ord, "█▉▊▋▌▍▎▏·▓▒░▚▞"))
    assert {len(line) for line in drawn[:-1]} == {len(bars[0])}


def test_carets_stay_under_escaped_characters() -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    render("text", hard_lines(), out, width=120, color=False, cwd=HOME)
    out.flush()
    lines = raw.getvalue().decode("ascii").splitlines()
    source = next(line for line in lines if "torch.log" in line)
    carets = lines[lines.index(source) + 1]
    start, end = carets.index("^"), carets.rindex("^") + 1
    assert source[start:end] == "torch.log(\\u5165\\u529b.clamp_min(0))"


def test_carets_stay_under_wide_characters() -> None:
    lines = text(hard_lines()).splitlines()
    source = next(line for line in lines if "torch.log" in line)
    carets = lines[lines.index(source) + 1]
    before = source[: source.index("torch.log")]
    assert cell_len(before) == carets.index("^")
    assert carets.count("^") == cell_len("torch.log(入力.clamp_min(0))")


def test_no_backward_is_not_a_clean_bill() -> None:
    shown = text(report(Recording(torch_version="2.13.0")))
    assert "no findings" not in shown
    assert shown.startswith("no backward was run, so nothing was checked")


def test_no_backward_with_a_finding() -> None:
    whole = cut()
    silent = replace(whole, recording=replace(whole.recording, backward_passes=0, backwards=()))
    assert last_line(text(silent)).startswith("1 error · 20 steps · no backward was run")


def test_summary_counts() -> None:
    assert last_line(text(several_files())) == "1 error, 2 warnings · 1 backward watched · not seen: nothing"
    assert last_line(text(gpt())).startswith("no findings · 20 steps · 20 backwards watched")


def test_summary_tells_how_the_program_ended() -> None:
    def ending(**end: object) -> str:
        recording = Recording(ProgramEnd(**end), steps=3, backward_passes=3)  # type: ignore[arg-type]
        return last_line(text(report(recording), 120))

    assert "exit status" not in ending()
    assert "program's exit status 3" in ending(exit_status=3)
    assert "interrupted" in ending(exit_status=130, interrupted=True)
    assert "stopped after 3 steps as asked" in ending(stopped_after_steps=3)


def test_what_was_not_seen_is_in_the_summary_or_above_it() -> None:
    one = replace(gpt(), recording=replace(gpt().recording, not_seen=("1 compiled region",)))
    assert last_line(text(one)).endswith("not seen: 1 compiled region")
    assert text(one).count("1 compiled region") == 1
    both = text(frozen_encoder(), 120)
    assert "not seen: 2, listed above" in both
    assert "4 DataLoader workers" in both


def test_many_silenced_findings_are_counted() -> None:
    finding = cut().findings[0]
    silenced = tuple(Suppressed(finding, f"--ignore {number}") for number in range(14))
    shown = text(replace(gpt(), suppressed=silenced))
    assert "--ignore 9" in shown
    assert "--ignore 10" not in shown
    assert "and 4 more" in shown
    assert "14 silenced" in shown


def test_what_one_thing_silenced_often_is_one_line() -> None:
    finding = cut().findings[0]
    rules = [f"GS10{number}" for number in (2, 2, 1, 3, 4, 5, 6)]
    many = [Suppressed(replace(finding, code=code, rule="[red]x"), "baseline b\x1b.json") for code in rules]
    few = [Suppressed(finding, "inline comment")] * 3
    shown = text(replace(gpt(), suppressed=(*many[:4], *few, *many[4:])), 120)
    counted = "1 GS101 [red]x, 2 GS102 [red]x, 1 GS103 [red]x, 1 GS104 [red]x, 1 GS105 [red]x and 1 more"
    assert f"silenced 7 findings ({counted}), by baseline b\\x1b.json" in " ".join(shown.split())
    assert shown.count("by inline comment") == 3


def test_the_traceback_is_shortened_only_where_a_finding_explains_it() -> None:
    explained, other = text(inplace()), text(crash())
    assert "ended by  RuntimeError: one of the variables" in explained
    assert "Traceback" not in explained
    assert "no finding explains it" in other
    assert "    batch = load(names[step])" in other


def test_a_finding_elsewhere_does_not_explain_the_end() -> None:
    whole = inplace()
    elsewhere = replace(whole.findings[0], location=replace(whole.findings[0].location, line=7))  # type: ignore[type-var]
    assert is_explained(whole)
    assert not is_explained(replace(whole, findings=(elsewhere,)))
    assert is_explained(replace(whole, findings=(), suppressed=(Suppressed(whole.findings[0], "x"),)))
    assert is_explained(replace(whole, findings=(replace(elsewhere, evidence={"ended_program": True}),)))


def test_a_consequence_of_a_finding_explains_the_end_too() -> None:
    failing = crash()
    refused = Finding("GS403", "nonfinite-forward", Severity.ERROR, "x", evidence={"ended_program": True})
    cause = Finding("GS405", "exploding-gradient", Severity.WARNING, "y")
    told = replace(failing, findings=(replace(cause, consequences=(refused,)),))
    assert not is_explained(replace(failing, findings=(cause,)))
    assert is_explained(told)
    assert is_explained(replace(failing, suppressed=(Suppressed(told.findings[0], "--ignore GS405"),)))
    assert "no finding explains it" not in text(told)
    assert "Traceback" not in text(told)


def test_findings_keep_the_order_of_the_engine() -> None:
    shown = text(several_files())
    assert shown.index("GS301") < shown.index("GS302") < shown.index("GS103")
