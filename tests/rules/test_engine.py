"""The engine: one line one finding, order, selection and silence."""

from dataclasses import replace

import pytest

from gradscope import engine
from gradscope.errors import UsageError
from gradscope.facts import (
    Cut,
    CutKind,
    MissingGraph,
    NonfiniteBirth,
    NonfiniteForward,
    NonleafGradRead,
    ProgramEnd,
    ProgramError,
    Rebinding,
    RetainedGraph,
    SeveredLeaf,
)
from gradscope.finding import Confidence, Finding, Location, Note, Related, Severity
from gradscope.silence import by_rule

from .facts_samples import Source, leaf

SOURCE = Source(
    """
    w = w - lr * w.grad
    print(w.grad)
    h = encoder(x).detach()
    h.sum().backward()
    total += loss
    d = torch.sqrt(sq)
    """
)
REBOUND = Rebinding(SOURCE.at("w - lr * w.grad"), "w", "sub", read_at=SOURCE.at("w.grad", 1))
READ = NonleafGradRead(SOURCE.at("w.grad", 1), "w", "sub", REBOUND.location)
CUT = Cut(CutKind.DETACH, "detach", SOURCE.at("encoder(x).detach()"))
BACKWARD = SOURCE.at("h.sum().backward()")
MISSING = MissingGraph(BACKWARD, "backward", (CUT,), (), None, ended_program=True)
KEPT = RetainedGraph("total", SOURCE.at("total += loss"), None, "add", 5, accumulated=True)
SEVERED = SeveredLeaf("w", (CUT,), (), BACKWARD)
BIRTH = NonfiniteBirth(
    "nan", "nan", "SqrtBackward0", SOURCE.at("torch.sqrt(sq)"), None, None, (), ("w",), 1, BACKWARD, step=2
)
FORWARD = NonfiniteForward("nan", "sqrt", SOURCE.at("torch.sqrt(sq)"), (), None, "nan", BACKWARD, step=2)


def codes(recording, **chosen):
    found, _ = engine.judge(recording, **chosen)
    return [(one.code, [inner.code for inner in one.consequences]) for one in found]


# ---------------------------------------------------------------- one line


def finding(message="m", line=3, **more):
    known = {
        "location": Location("a.py", line, module="blocks.0"),
        "severity": Severity.WARNING,
        "subjects": ("a",),
        "count": 2,
    }
    return Finding("GS102", "severed-gradient", message=message, **{**known, **more})


def test_one_rule_on_one_line_is_one_finding_with_a_count():
    elsewhere = Related(Location("a.py", 9), "and here")
    other = finding(
        "n",
        location=Location("a.py", 3, column=7, module="blocks.1"),
        subjects=("a", "b"),
        severity=Severity.ERROR,
        confidence=Confidence.PROBABLE,
        related=(elsewhere,),
        count=3,
    )
    (merged,) = engine.merge([finding(related=(elsewhere,)), other])
    assert (merged.count, merged.subjects, merged.severity) == (5, ("a", "b"), Severity.ERROR)
    assert (merged.confidence, merged.related) == (Confidence.CERTAIN, (elsewhere,))
    assert merged.evidence["modules"] == ["blocks.0", "blocks.1"]
    assert merged.notes == (Note("also", "n"),)


def test_findings_without_a_place_are_merged_by_what_they_say():
    assert (
        len(engine.merge([finding(location=None), finding(location=None), finding("n", location=None)])) == 2
    )


def test_two_lines_are_two_findings():
    assert len(engine.merge([finding(), finding(line=4)])) == 2


# ---------------------------------------------------------------- order


def test_the_worst_and_most_certain_come_first():
    unsure = replace(
        SEVERED, leaf="v", cuts=(replace(CUT, location=SOURCE.at("total += loss"), certain=False),)
    )
    recording = SOURCE.recording(
        retained_graphs=(KEPT,),
        severed=(unsure,),
        births=(BIRTH,),
        leaves=(leaf("v"),),
        missing_graphs=(replace(MISSING, ended_program=False),),
    )
    assert [code for code, _ in codes(recording)] == ["GS401", "GS102", "GS302", "GS101"]


# ---------------------------------------------------------------- selection

BOTH = SOURCE.recording(rebindings=(REBOUND,), nonleaf_grad_reads=(READ,), retained_graphs=(KEPT,))


@pytest.mark.parametrize(
    ("select", "expected"),
    [
        (["GS302"], [("GS302", [])]),
        (["gs1"], [("GS104", ["GS105"])]),
        (["graph-retained", "GS4"], [("GS302", [])]),
        (["GS105"], [("GS105", [])]),
        ([], [("GS104", ["GS105"]), ("GS302", [])]),
    ],
)
def test_select(select, expected):
    assert codes(BOTH, select=select) == expected


def test_ignore_takes_the_consequences_along():
    found, suppressed = engine.judge(BOTH, silencers=[by_rule(["leaf-reassigned"], "--ignore {}")])
    assert [one.code for one in found] == ["GS302"]
    assert [(one.finding.code, one.by) for one in suppressed] == [("GS104", "--ignore leaf-reassigned")]


def test_an_unknown_name_is_refused():
    with pytest.raises(UsageError, match="did you mean severed-gradient"):
        engine.judge(BOTH, select=["severed"])


def test_an_ignored_consequence_is_taken_out_and_its_severity_with_it():
    recording = SOURCE.recording(
        missing_graphs=(replace(MISSING, ended_program=False),), severed=(SEVERED,), leaves=(leaf("w"),)
    )
    (found,), suppressed = engine.judge(recording, silencers=[by_rule(["GS102"], "ignore in x")])
    assert (found.code, found.severity, found.consequences) == ("GS101", Severity.INFO, ())
    assert [(one.finding.code, one.by) for one in suppressed] == [("GS102", "ignore in x")]


def test_silencers_are_asked_in_the_order_of_the_lines():
    asked = []

    def silencer(finding, recording):
        asked.append((finding.code, finding.location.line))

    engine.judge(BOTH, silencers=[silencer])
    assert asked == [("GS104", 1), ("GS105", 2), ("GS302", 5)]


# ---------------------------------------------------------------- comments


def commented(comment, line=0):
    lines = list(SOURCE.lines)
    lines[line] += comment
    return replace(BOTH, sources={SOURCE.path: tuple(lines)})


@pytest.mark.parametrize(
    "comment",
    [
        "  # gradscope: ignore[GS104]",
        "  # gradscope: ignore[GS302, leaf-reassigned]",
        "  # gradscope: ignore",
        "  # because ...  # GRADSCOPE: Ignore [gs1]",
    ],
)
def test_a_comment_on_the_line_silences(comment):
    found, suppressed = engine.judge(commented(comment))
    assert [one.code for one in found] == ["GS302"]
    assert [(one.finding.code, one.by) for one in suppressed] == [("GS104", "inline comment")]


def test_a_comment_on_a_related_line_silences():
    related, suppressed = engine.judge(commented("  # gradscope: ignore[GS104]", line=1))
    assert [one.finding.code for one in suppressed] == ["GS104"]
    assert [one.code for one in related] == ["GS302"]


@pytest.mark.parametrize(
    "comment", ["  # gradscope: ignore[GS401]", "  # gradscope: ignore[]", "  # ignore[GS104]"]
)
def test_other_comments_do_not(comment):
    assert [one.code for one in engine.judge(commented(comment))[0]] == ["GS104", "GS302"]


def test_a_consequence_can_be_silenced_by_itself():
    found, suppressed = engine.judge(commented("  # gradscope: ignore[GS105]", line=1))
    assert [(one.code, one.consequences) for one in found] == [("GS104", ()), ("GS302", ())]
    assert [one.finding.code for one in suppressed] == ["GS105"]


# ---------------------------------------------------------------- errors that are no findings


def ended(message, at=None):
    error = ProgramError("RuntimeError", message, (at,) if at else (), "")
    return SOURCE.recording(program=ProgramEnd(1, error), notes=("ran in float32",))


def test_a_gradient_error_is_explained_in_the_notes():
    recording = ended("grad can be implicitly created only for scalar outputs", BACKWARD)
    assert engine.notes(recording) == (
        "ran in float32",
        "train.py:4: backward() starts from one number, and h.sum() is a tensor: reduce it first "
        "(h.sum().sum() or h.sum().mean()), or give the gradient to start with "
        "(h.sum().backward(torch.ones_like(h.sum())))",
    )


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (
            "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.",
            "stay in torch",
        ),
        ("optimizer got an empty parameter list", "nn.ModuleList"),
        (
            "The differentiated Tensor at index 0 appears to not have been used in the graph.",
            "allow_unused=True",
        ),
    ],
)
def test_other_gradient_errors(message, words):
    assert words in engine.notes(ended(message))[-1]


def test_any_other_error_is_the_programs_own():
    assert engine.notes(ended("list index out of range")) == ("ran in float32",)
    assert engine.notes(SOURCE.recording()) == ()
