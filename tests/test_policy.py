"""The command line and the configuration together."""

from __future__ import annotations

import pytest

from gradscope.config import Config
from gradscope.errors import UsageError, render
from gradscope.facts import Recording
from gradscope.finding import Finding, Location, Severity
from gradscope.patterns import PathPattern
from gradscope.policy import Policy, policy

FILE = "pyproject.toml"
CONFIG = Config(
    "/p/pyproject.toml",
    FILE,
    select=("GS1", "GS4"),
    ignore=("GS103",),
    per_file_ignores=((PathPattern("legacy/*", "/p"), ("GS102", "GS301")),),
    fail_on="warning",
)


def silenced(judging: Policy, code: str, path: str = "/p/train.py") -> str | None:
    """By what a finding of that rule in that file is silenced."""
    finding = Finding(code, "a-rule", Severity.ERROR, "m", Location(path, 3))
    answers = [silencer(finding, Recording()) for silencer in judging.silencers]
    return next((answer for answer in answers if answer is not None), None)


def test_the_configuration_alone() -> None:
    judging = policy(CONFIG, (), (), None)
    assert judging.select == ("GS1", "GS4")
    assert judging.fail_on is Severity.WARNING
    assert {"GS101", "GS401"} <= judging.judged
    assert not judging.judged & {"GS103", "GS301"}
    assert silenced(judging, "GS103") == "ignore in pyproject.toml"
    assert silenced(judging, "GS102") is None
    assert silenced(judging, "GS102", "/p/legacy/a.py") == 'per-file-ignores "legacy/*" in pyproject.toml'
    assert silenced(judging, "GS101", "/p/legacy/a.py") is None
    assert judging.remarks == ("only GS1, GS4 checked: select in pyproject.toml",)


def test_select_replaces_select_and_ignore() -> None:
    judging = policy(CONFIG, ("GS103", "GS3"), (), None)
    assert judging.judged == {"GS103", "GS301", "GS302", "GS303"}
    assert silenced(judging, "GS103") is None
    assert silenced(judging, "GS301", "/p/legacy/a.py") is not None
    assert judging.remarks == ()


def test_ignore_adds() -> None:
    judging = policy(CONFIG, (), ("severed-gradient",), None)
    assert silenced(judging, "GS103") == "ignore in pyproject.toml"
    assert silenced(judging, "GS102") == "--ignore severed-gradient"


def test_fail_on_replaces() -> None:
    assert policy(CONFIG, (), (), "never").fail_on is None
    assert policy(Config(), (), (), None).fail_on is Severity.ERROR


def test_a_finding_without_a_place_is_in_no_file() -> None:
    nowhere = Finding("GS102", "a-rule", Severity.ERROR, "m")
    assert [silencer(nowhere, Recording()) for silencer in policy(CONFIG, (), (), None).silencers] == [
        None
    ] * 3


@pytest.mark.parametrize(
    ("config", "select", "ignore", "where"),
    [
        (Config(name=FILE, ignore=("GS",)), (), (), True),
        (Config(name=FILE, select=("GS102",)), (), ("GS1",), True),
        (Config(), (), ("GS",), False),
        (Config(name=FILE), ("GS102",), ("GS10",), False),
    ],
)
def test_some_rule_must_be_left(
    config: Config, select: tuple[str, ...], ignore: tuple[str, ...], where: bool
) -> None:
    with pytest.raises(UsageError) as caught:
        policy(config, select, ignore, None)
    text = render(caught.value)
    assert "every rule that is selected is also ignored, so nothing would be checked" in text
    assert (FILE in text) is where


def test_select_undoes_an_ignore_of_everything() -> None:
    assert policy(Config(name=FILE, ignore=("GS",)), ("GS",), (), None).judged
