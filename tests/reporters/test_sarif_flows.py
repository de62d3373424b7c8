"""The code flows of SARIF: the chains of causes that the facts tell, in program order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gradscope.facts import (
    Change,
    Cut,
    CutKind,
    InplaceConflict,
    Leaf,
    MissingGraph,
    NonfiniteBirth,
    NonfiniteForward,
    Recording,
    RetainedGraph,
    SecondBackward,
    SeveredLeaf,
    SilentMutation,
    StaleGradient,
    Step,
)
from gradscope.finding import Finding, Location, Severity

from .samples import HOME, cut, inplace, report
from .sarif_logs import flow, results

CAME, LED = "how it came about", "what it led to"


def at(line: int, column: int = 5) -> Location:
    return Location(f"{HOME}/train.py", line, column, line, column + 3)


def flows(code: str, where: Location | None, subjects: tuple[str, ...] = (), **facts: Any) -> dict[str, Any]:
    """The flows of a finding about the facts, by what they tell."""
    finding = Finding(code, "a-rule", Severity.ERROR, "wrong", where, label="here", subjects=subjects)
    (found,) = results(report(Recording(**facts), finding))
    return {each["message"]["text"]: flow(each) for each in found.get("codeFlows", ())}


def severed(leaf: str, *steps: Step, cut: Cut) -> SeveredLeaf:
    return SeveredLeaf(leaf, (cut,), steps, at(9))


DETACH = Cut(CutKind.DETACH, "detach", at(3))
WAY = (Step("leaf", None), Step("linear", at(2)), Step("detach", at(3), cut=True), Step("mse_loss", at(5)))


def test_the_way_of_a_value_ends_where_its_gradient_stops() -> None:
    leaf = Leaf("w", (2,), "float32", "cpu", True, True, made_at=at(1))
    found = flows("GS102", at(3), ("w",), severed=(severed("w", *WAY, cut=DETACH),), leaves=(leaf,))
    assert found == {
        CAME: [(1, "w"), (2, "linear"), (3, "here")],
        LED: [(3, "here"), (5, "mse_loss"), (9, "backward")],
    }


def test_the_flow_is_of_the_findings_own_leaf_and_line() -> None:
    other = severed("other", *WAY, cut=DETACH)
    own = severed("w", Step("w", at(1)), Step("mul", at(7)), Step("item", at(8), cut=True), cut=DETACH)
    assert flows("GS102", at(8), ("w",), severed=(other, own))[CAME] == [(1, "w"), (7, "mul"), (8, "here")]
    assert flows("GS102", at(4), ("w",), severed=(other, own)) == {}
    assert flows("GS102", None, ("w",), severed=(other, own)) == {}


def test_a_cut_by_a_block_is_told_with_the_line_of_the_block() -> None:
    block = Cut(CutKind.NO_GRAD, "linear", at(5), block=at(4))
    steps = (Step("w", at(1)), Step("mul", at(2)), Step("linear", at(5), cut=True), Step("sum", at(6)))
    found = flows("GS102", at(4), ("w",), severed=(severed("w", *steps, cut=block),))
    assert found[CAME] == [(1, "w"), (2, "mul"), (4, "here")]
    assert found[LED] == [(4, "here"), (5, "linear"), (6, "sum"), (9, "backward")]


def test_on_a_line_with_several_ops_the_cut_is_the_place() -> None:
    steps = (
        Step("w", None),
        Step("linear", at(3, 20)),
        Step("detach", at(3), cut=True),
        Step("relu", at(3, 1)),
    )
    found = flows("GS102", at(3), ("w",), severed=(severed("w", *steps, cut=DETACH),))
    assert found == {CAME: [(3, "linear"), (3, "here")], LED: [(3, "here"), (3, "relu"), (9, "backward")]}


def test_an_inplace_change_stands_between_the_saving_and_the_backward() -> None:
    (found,) = results(inplace())
    first, second = (flow(each) for each in found["codeFlows"])
    own = "changed here (version 1), before backward at train.py:98"
    assert first == [(60, "SoftmaxBackward0 saves it for backward (version 0)"), (61, own)]
    assert second == [(61, own), (98, "this backward needs version 0")]
    places = found["codeFlows"][0]["threadFlows"][0]["locations"]
    assert [each["importance"] for each in places] == ["important", "essential"]
    assert [each["executionOrder"] for each in places] == [1, 2]


STATED = {
    "GS101": (
        at(3),
        {"missing_graphs": (MissingGraph(at(9), "backward", (DETACH,), WAY, None, True),)},
        {CAME: [2, 3], LED: [3, 5, 9]},
    ),
    "GS201": (
        at(4),
        {
            "inplace_conflicts": (
                InplaceConflict(
                    "Mul",
                    "self",
                    at(2),
                    (),
                    "",
                    2,
                    0,
                    (Change("add_", at(4), 1), Change("mul_", at(6), 2)),
                    at(9),
                ),
            )
        },
        {CAME: [2, 4], LED: [4, 6, 9]},
    ),
    "GS203": (
        at(4),
        {"silent_mutations": (SilentMutation("data", "mul_", at(4), "Exp", at(2), at(9)),)},
        {CAME: [2, 4], LED: [4, 9]},
    ),
    "GS301": (
        at(3),
        {"second_backwards": (SecondBackward(at(9), at(9), (Step("cell", at(3)),), "Cell", at(3)),)},
        {CAME: [9, 3], LED: [3, 9]},
    ),
    "GS302": (
        at(6),
        {"retained_graphs": (RetainedGraph("losses", at(6), at(4), "mean", 5, False),)},
        {CAME: [4, 6]},
    ),
    "GS401": (
        at(4),
        {
            "births": (
                NonfiniteBirth(
                    "nan",
                    "nan",
                    "Sqrt",
                    at(4),
                    None,
                    None,
                    (),
                    ("w",),
                    2,
                    at(9),
                    1,
                    spread=(Step("sum", at(2)),),
                ),
            )
        },
        {CAME: [9, 4], LED: [4, 2]},
    ),
    "GS403": (
        at(4),
        {"nonfinite_forwards": (NonfiniteForward("inf", "log", at(4), (), None, "inf", at(9), 1),)},
        {LED: [4, 9]},
    ),
    "GS501": (
        at(4),
        {"stale_gradients": (StaleGradient(at(4), at(6), "SGD", ("w",), left_by=at(4)),)},
        {LED: [4, 6]},
    ),
}


@pytest.mark.parametrize("code", STATED)
def test_the_chains_of_each_rule_in_program_order(code: str) -> None:
    where, facts, lines = STATED[code]
    found = flows(code, where, **facts)
    assert {text: [line for line, _ in each] for text, each in found.items()} == lines


def test_ops_of_one_place_are_one_step() -> None:
    steps = (Step("w", at(1)), Step("mul", at(2)), Step("add", at(2)), Step("detach", at(3), cut=True))
    found = flows("GS102", at(3), ("w",), severed=(severed("w", *steps, cut=DETACH),))
    assert found[CAME] == [(1, "w"), (2, "mul -> add"), (3, "here")]


def test_a_long_way_keeps_its_ends() -> None:
    steps = [Step("tanh", at(number)) for number in range(10, 210)]
    fact = severed("w", *steps, Step("detach", at(300), cut=True), cut=Cut(CutKind.DETACH, "detach", at(300)))
    found = flows("GS102", at(300), ("w",), severed=(fact,))
    (text,) = [each for each in found if each.startswith(CAME)]
    assert text == f"{CAME}; 141 places in the middle are left out"
    lines = [line for line, _ in found[text]]
    assert (len(lines), lines[0], lines[-1]) == (60, 10, 300)


def test_where_the_facts_tell_nothing_there_is_no_flow() -> None:
    (found,) = results(cut())
    assert "codeFlows" not in found
    conflict = replace(inplace(), recording=replace(inplace().recording, inplace_conflicts=()))
    assert "codeFlows" not in results(conflict)[0]
