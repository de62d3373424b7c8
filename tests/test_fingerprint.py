"""What stays the same about a finding while the program around it is edited."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from gradscope.finding import Finding, Location, Severity
from gradscope.fingerprint import Fingerprint, fingerprint, hashed, portable_path

FOLDER = "/home/ada/project"
FILE = f"{FOLDER}/src/model.py"
LINE = "    h = self.encoder(x).detach()"


def finding(line: int = 1, **more: object) -> Finding:
    known = Finding(
        "GS102",
        "severed-gradient",
        Severity.ERROR,
        "4 parameters get no gradient",
        Location(FILE, line, 9, function="Net.forward"),
        subjects=("a.weight",),
    )
    return replace(known, **more)  # type: ignore[arg-type]


def of(one: Finding, *lines: str) -> Fingerprint:
    return fingerprint(one, {FILE: lines}, FOLDER)


def test_it_is_made_of_rule_file_function_and_line() -> None:
    assert of(finding(), LINE) == Fingerprint(
        "GS102", "severed-gradient", "src/model.py", "Net.forward", "h = self.encoder(x).detach()"
    )


@pytest.mark.parametrize(
    ("other", "lines"),
    [
        (finding(3), ("import torch", "", LINE)),
        (finding(), ("  h  =  self.encoder(x).detach()\t",)),
        (finding(), (LINE + "  # gradscope: ignore[GS999]  it's meant",)),
        (finding(message="7 parameters get no gradient", count=9), (LINE,)),
        (finding(subjects=("a.weight", "b.weight")), (LINE,)),
        (finding(severity=Severity.WARNING, fix="another"), (LINE,)),
        (finding(rule="renamed"), (LINE,)),
        (finding(location=Location(FILE, 1, 1, 4, function="Net.forward", module="blocks.3")), (LINE,)),
    ],
    ids=["moved", "blanks", "comment", "numbers", "subjects", "severity", "rule name", "columns and module"],
)
def test_what_does_not_change_it(other: Finding, lines: tuple[str, ...]) -> None:
    assert of(other, *lines).key == of(finding(), LINE).key


@pytest.mark.parametrize(
    ("other", "line"),
    [
        (finding(), "    h = self.encoder(y).detach()"),
        (finding(code="GS103"), LINE),
        (finding(location=Location(FILE, 1, function="Net.loss")), LINE),
        (finding(location=Location(FOLDER + "/model.py", 1, function="Net.forward")), LINE),
    ],
    ids=["line", "rule", "function", "file"],
)
def test_what_changes_it(other: Finding, line: str) -> None:
    assert of(other, line).key != of(finding(), LINE).key


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("x = d['#']  # y", "x = d['#']"),
        ('x = "a\\"#"  # it\'s', 'x = "a\\"#"'),
        ("h.detach()))  # an end", "h.detach()))"),
        ("x = 1  # \"'", "x = 1"),
        ('text """ # not a comment', 'text """ # not a comment'),
        ("# only", ""),
        ("x = 'ü日'", "x = 'ü日'"),
    ],
)
def test_comments_are_cut_off_and_strings_are_not(line: str, code: str) -> None:
    assert of(finding(), line).source == code


def test_a_long_line_without_end_takes_no_time() -> None:
    line = "x = " + "'a" * 20_001 + "b" * 100_000
    assert of(finding(), line).source == line


@pytest.mark.parametrize(
    ("qualified", "expected"),
    [
        ("Net.forward.<locals>.<listcomp>", "Net.forward"),
        ("build.<locals>.inner", "build.inner"),
        ("<listcomp>", "<module>"),
        ("<module>", "<module>"),
        ("<lambda>", "<lambda>"),
        (None, None),
    ],
)
def test_functions_are_the_same_in_every_python(qualified: str | None, expected: str | None) -> None:
    assert of(finding(location=Location(FILE, 1, function=qualified)), LINE).function == expected


def test_without_source_or_place() -> None:
    assert of(finding(line=9), LINE).source is None
    nowhere = finding(location=None, subjects=("b", "a", "b"))
    assert of(nowhere) == Fingerprint("GS102", "severed-gradient", subjects=("a", "b"))
    first, second = (finding(location=None, subjects=(), message=f"{n} of 1,024 (3.5%)") for n in (12, 7))
    assert of(first) == of(second)
    assert of(first).subjects == ("# of # (#%)",)


def test_a_hash_means_the_line() -> None:
    plain = of(finding(), LINE)
    assert plain.source is not None
    secret = Fingerprint(plain.code, plain.rule, plain.path, plain.function, hashed(plain.source))
    assert secret.key == plain.key
    assert secret.source is not None
    assert secret.source.startswith("sha256:")
    assert hashed(secret.source) == secret.source
    assert hashed("\udcff").startswith("sha256:")


def test_the_digest_is_the_keys_and_never_changes() -> None:
    plain = of(finding(), LINE)
    assert (
        plain.digest == "cc7a355e7d4d34925c274d7963bb687e"
    )  # a changed one makes every finding of a code host new
    assert of(finding(3, rule="renamed"), "", "", f"  {LINE}  # said").digest == plain.digest
    assert plain.source is not None
    hidden = Fingerprint(plain.code, "", plain.path, plain.function, hashed(plain.source))
    assert hidden.digest == plain.digest
    others = [of(finding(), "    h = 1"), of(finding(code="GS103"), LINE), of(finding(location=None))]
    assert len({plain.digest, *(other.digest for other in others)}) == 4
    assert len(of(finding(), "x = '\udcff\x00\n'").digest) == 32


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (f"{FOLDER}/a/b.py", "a/b.py"),
        ("/home/ada/other/b.py", "../other/b.py"),
        ("/home/eve/x/b.py", "../../eve/x/b.py"),
        ("/srv/data/x/b.py", ".../x/b.py"),
        (f"{FOLDER}/.venv/lib/python3.11/site-packages/torch/nn.py", "site-packages/torch/nn.py"),
        ("/usr/lib/python3/dist-packages/torch/nn.py", "site-packages/torch/nn.py"),
        ("<string>", "<string>"),
        ("generated/x.py", "generated/x.py"),
    ],
)
@pytest.mark.skipif(os.name == "nt", reason="paths of another system")
def test_paths_are_the_same_on_every_machine(path: str, expected: str) -> None:
    assert portable_path(path, FOLDER) == expected


def test_the_root_is_never_written_out(tmp_path: Path) -> None:
    assert portable_path("/x.py", "/a/b").startswith("...")
    assert str(tmp_path) not in portable_path(str(tmp_path / "a" / "b.py"), "/somewhere")
