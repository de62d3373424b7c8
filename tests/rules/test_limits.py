"""GS901 to GS904: figures held to the limits of a gate. What cannot be judged is silent, NaN never passes."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from gradscope.facts import (
    CheckedFunction,
    CheckedModel,
    FaultyModule,
    Leaf,
    Limits,
    LineMemory,
    MemoryKind,
    MemoryPeak,
    MemoryPhase,
    MemoryUse,
    ModuleFact,
    ModuleMemory,
    Recording,
    SavedAt,
)
from gradscope.facts.checks import Cause, Declaration, SubjectKind, WrongGradient
from gradscope.facts.leaves import GradientStats
from gradscope.figures import unjudged
from gradscope.finding import Finding, Location, Severity
from gradscope.report import Report
from gradscope.reporters.redaction import redact

from .facts_samples import Source, check, leaf, only, optimizer, registered

NAN, INF = math.nan, math.inf
SOURCE = Source(
    """
    self.first = Linear(4, 4)
    self.middle = Linear(4, 4)
    self.last = Linear(4, 4)
    y = net(x)
    def backward(ctx, g):
    w = torch.randn(4)
    """
)
CONFIG = Location("/home/ada/project/pyproject.toml", 7, 1)


def held(recording: Recording, **limits: Any) -> Recording:
    return replace(recording, limits=Limits(**limits, stated_at=CONFIG))


def norms(first: float, last: float | None = None, backwards: int = 2, **more: Any) -> GradientStats:
    return GradientStats(backwards, norm=first, last_norm=first if last is None else last, **more)


def net(**gradients: GradientStats | None) -> Recording:
    """A model with one weight of 4 elements in each of its modules."""
    leaves = [
        registered(
            "net",
            f"{name}.weight",
            gradient,
            shape=(2, 2),
            registered_at=SOURCE.at(f"self.{name}") if name in ("first", "middle", "last") else None,
        )
        for name, gradient in gradients.items()
    ]
    modules = [
        ModuleFact("net", one.module or "", "Linear", 1, registered_at=one.registered_at) for one in leaves
    ]
    return SOURCE.recording(leaves=tuple(leaves), modules=tuple(modules), backward_passes=2)


def assert_states_its_limit(found: Finding) -> None:
    assert found.severity is Severity.ERROR
    assert (found.related[-1].location, found.related[-1].message) == (CONFIG, "the limit is stated here")
    assert found.fix


# ---------------------------------------------------------------- GS901


def test_a_ratio_beyond_the_limit() -> None:
    recording = net(first=norms(2e-6), middle=norms(0.2), last=norms(0.4))
    found = only("GS901", held(recording, max_norm_ratio=1e5))
    assert found.message == (
        "the gradient of `last` is 2e+05 times that of `first` in the first backward: max-norm-ratio is 1e+05"
    )
    assert found.location == SOURCE.at("self.first")  # the odd one
    assert found.related[0].location == SOURCE.at("self.last")
    assert found.subjects == ("last", "first")
    assert found.evidence["ratio"] == pytest.approx(2e5)
    assert found.evidence["smallest_rms"] == pytest.approx(1e-6)  # per element, of 4
    assert [(note.heading, note.text) for note in found.notes] == [
        ("largest", "last: 0.2 per element"),
        ("smallest", "first: 1e-06 per element"),
        ("compared", "3 modules of net, median 0.1"),
    ]
    assert_states_its_limit(found)


def test_the_odd_one_is_the_large_one_where_the_others_are_small() -> None:
    recording = net(first=norms(1.0), middle=norms(2.0), last=norms(2e6))
    assert only("GS901", held(recording, max_norm_ratio=10)).location == SOURCE.at("self.last")


def test_the_last_backward_counts_as_well() -> None:
    recording = net(first=norms(1.0, 1e-9), last=norms(1.0))
    found = only("GS901", held(recording, max_norm_ratio=1e6))
    assert "in the last backward" in found.message
    assert found.evidence["backward"] == "last"


@pytest.mark.parametrize(("limit", "count"), [(100.0, 0), (99.9, 1), (None, 0)])
def test_what_is_within_the_limit(limit: float | None, count: int) -> None:
    recording = held(net(first=norms(1.0), last=norms(100.0)), max_norm_ratio=limit)
    assert len(check("GS901", recording)) == count


@pytest.mark.parametrize("value", [NAN, INF])
@pytest.mark.parametrize("first", [1.0, NAN, INF])
def test_a_gradient_that_is_not_finite_is_within_no_limit(value: float, first: float) -> None:
    broken = norms(first, value)
    found = only("GS901", held(net(first=broken, last=norms(1.0)), max_norm_ratio=INF))
    assert "the gradient of `first` is not finite in the last backward" in found.message
    assert found.location == SOURCE.at("self.first")
    alone = only("GS901", held(net(first=broken), max_norm_ratio=1e6))
    assert "not finite" in alone.message


def test_the_overflow_with_which_a_gradient_scaler_begins_is_none() -> None:
    recording = net(first=norms(INF, 1.0, nonfinite_backwards=1), last=norms(INF, 3.0, nonfinite_backwards=1))
    assert check("GS901", held(recording, max_norm_ratio=3.0)) == []
    assert "is 3 times that of" in only("GS901", held(recording, max_norm_ratio=2.0)).message


def test_zeros_and_missing_gradients_have_no_ratio() -> None:
    recording = net(first=norms(0.0, zero_backwards=2), middle=None, last=norms(1.0))
    recording = held(recording, max_norm_ratio=1.0)
    assert check("GS901", recording) == []
    assert unjudged(recording) == []
    nothing = held(net(first=None), max_norm_ratio=1.0)
    assert check("GS901", nothing) == []
    reason = "no trained parameter got a gradient that is not zero"
    assert unjudged(nothing) == [f"max-norm-ratio was not judged: {reason}"]


def test_a_module_counts_per_element_with_all_its_own_parameters() -> None:
    def weight(name: str, shape: tuple[int, ...], norm: float) -> Leaf:
        return registered("net", name, norms(norm), shape=shape)

    leaves = (weight("a.weight", (30, 30), 30.0), weight("a.bias", (), 1.0), weight("b.weight", (4,), 2.0))
    recording = Recording(leaves=leaves, backward_passes=1)
    assert check("GS901", held(recording, max_norm_ratio=1.001)) == []


def test_models_are_not_compared_with_each_other() -> None:
    leaves = (registered("g", "g.fc.weight", norms(1e-9)), registered("d", "d.fc.weight", norms(1.0)))
    assert check("GS901", held(Recording(leaves=leaves), max_norm_ratio=10.0)) == []


def test_tensors_in_no_module_are_compared_with_each_other() -> None:
    made = SOURCE.at("w = torch")
    leaves = (leaf("w", norms(1e-9), made_at=made), leaf("v", norms(1.0)))
    found = only("GS901", held(Recording(leaves=leaves), max_norm_ratio=10.0))
    assert found.subjects == ("v", "w")
    assert "2 tensors in no module" in found.notes[-1].text


def test_a_module_of_a_sequential_has_the_name_of_its_root() -> None:
    leaves = (registered("net", "0.weight", norms(1e-9)), registered("net", "2.weight", norms(1.0)))
    found = only("GS901", held(Recording(leaves=leaves), max_norm_ratio=10.0))
    assert found.subjects == ("net.2", "net.0")


def test_redacted_it_gives_no_norm() -> None:
    recording = held(net(first=norms(14.0), last=norms(2.0e6)), max_norm_ratio=1e3)
    hidden = redact(Report("trace", "train.py", (only("GS901", recording),), recording), "/elsewhere")
    (found,) = hidden.findings
    said = " ".join([found.message, found.label, found.fix, *(one.message for one in found.related)])
    assert "per element" in said
    assert not {"7", "1e+06", "14", "1.429e+05"}.intersection(said.split())


# ---------------------------------------------------------------- GS902


def test_a_share_below_the_limit() -> None:
    recording = net(
        first=None,
        middle=norms(0.0, zero_backwards=2),
        last=norms(NAN, nonfinite_backwards=2),
        good=norms(1.0),
    )
    found = only("GS902", held(recording, min_gradient_share=0.5))
    assert found.message == ("1 of 4 trained parameters gets a gradient (25.0%): min-gradient-share is 0.5")
    assert found.location == SOURCE.at("self.first")
    assert found.label == "what is registered here gets no gradient"
    assert found.subjects == ("first.weight", "middle.weight", "last.weight")
    assert [one.location for one in found.related[:-1]] == [SOURCE.at("self.middle"), SOURCE.at("self.last")]
    assert [(note.heading, note.text) for note in found.notes] == [
        ("no gradient", "first.weight"),
        ("zeros only", "middle.weight"),
        ("not finite", "last.weight"),
    ]
    assert found.evidence["no_gradient"] == 1
    assert_states_its_limit(found)


@pytest.mark.parametrize(("limit", "count"), [(0.9, 0), (0.91, 1), (0.0, 0), (1.0, 1), (None, 0)])
def test_a_share_of_nine_tenths(limit: float | None, count: int) -> None:
    recording = net(**{f"m{number}": norms(1.0) for number in range(9)}, bad=None)
    assert len(check("GS902", held(recording, min_gradient_share=limit))) == count


@pytest.mark.parametrize(
    ("gradient", "good"),
    [
        (norms(0.0, 1.0, zero_backwards=1), True),  # zero at the start, as the first factor of a LoRA
        (norms(INF, 1.0, nonfinite_backwards=1), True),  # a GradScaler's first steps
        (norms(1.0, NAN, nonfinite_backwards=1), False),  # it ended in NaN
        (norms(0.0, NAN, zero_backwards=1, nonfinite_backwards=1), False),
    ],
)
def test_one_good_backward_suffices_if_it_does_not_end_badly(gradient: GradientStats, good: bool) -> None:
    recording = held(net(first=gradient), min_gradient_share=1.0)
    assert (check("GS902", recording) == []) is good


def test_only_what_is_trained_counts() -> None:
    fed = registered("net", "a.weight", norms(1.0), optimizers=(0,))
    frozen = registered("net", "b.weight", None, requires_grad=False)
    unowned = registered("net", "c.weight", None)
    recording = Recording(
        leaves=(fed, frozen, unowned), optimizers=(optimizer("a.weight"),), backward_passes=1
    )
    assert check("GS902", held(recording, min_gradient_share=1.0)) == []
    without_optimizer = replace(recording, leaves=(replace(fed, optimizers=()), unowned), optimizers=())
    assert len(check("GS902", held(without_optimizer, min_gradient_share=1.0))) == 1
    never_ran = replace(without_optimizer, leaves=(fed, replace(unowned, root_called=False)))
    assert check("GS902", held(never_ran, min_gradient_share=1.0)) == []


def test_without_a_backward_no_share_is_judged() -> None:
    recording = held(replace(net(first=None), backward_passes=0), min_gradient_share=1.0)
    assert check("GS902", recording) == []
    assert unjudged(recording) == [
        "min-gradient-share was not judged: no backward ran, or nothing is trained"
    ]


# ---------------------------------------------------------------- GS903

MEMORY = MemoryUse(
    "cpu",
    (
        MemoryPeak(
            3 << 20,
            MemoryPhase.BACKWARD,
            {MemoryKind.SAVED: 2 << 20, MemoryKind.GRADIENT: 1 << 20},
            SOURCE.at("y = net"),
            "net.first",
        ),
        MemoryPeak(2 << 20, MemoryPhase.FORWARD),
    ),
    saved=2 << 20,
    modules=(
        ModuleMemory("net", "Net", 2 << 20, 0),
        ModuleMemory("net.first", "Linear", 1 << 20, 1 << 20),
        ModuleMemory("net.last", "Linear", 1 << 19, 1 << 19),
    ),
    lines=(LineMemory(SOURCE.at("y = net"), 1 << 20, 3, ("AddmmBackward0",)),),
    largest=(
        SavedAt("TanhBackward0", "result", (256, 512), "float32", 1 << 20, 2, cheaper="use it in place"),
    ),
)


def test_more_is_saved_than_the_limit() -> None:
    recording = held(SOURCE.recording(memory=MEMORY), max_saved=1 << 20)
    found = only("GS903", recording)
    assert found.message == ("2.00 MiB is kept for the backward: max-saved is 1.00 MiB (2 times as much)")
    assert (found.location, found.label) == (SOURCE.at("y = net"), "1.00 MiB of it are saved here")
    assert [(note.heading, note.text) for note in found.notes] == [
        ("module", "net.first (Linear) saves 1.00 MiB"),
        ("tensors", "2 x float32 (256, 512) by tanh, 1.00 MiB; use it in place"),
    ]
    assert found.evidence == {
        "saved": 2 << 20,
        "limit": 1 << 20,
        "module": "net.first",
        "line_saved": 1 << 20,
    }
    assert_states_its_limit(found)


def test_the_peak_is_higher_than_the_limit() -> None:
    found = only("GS903", held(SOURCE.recording(memory=MEMORY), max_peak=(3 << 20) - 1))
    assert found.message == "the peak of memory is 3.00 MiB, in the backward: max-peak is 3.00 MiB"
    assert found.location == SOURCE.at("y = net")
    assert found.subjects == ("net.first",)
    assert found.notes[0].text == "saved for backward 2.00 MiB, gradients 1.00 MiB"
    assert_states_its_limit(found)


@pytest.mark.parametrize("limits", [{"max_saved": 2 << 20, "max_peak": 3 << 20}, {}])
def test_memory_within_its_limits(limits: dict[str, int]) -> None:
    assert check("GS903", held(SOURCE.recording(memory=MEMORY), **limits)) == []


def test_memory_that_was_not_measured_is_not_judged() -> None:
    recording = held(Recording(), max_saved=0, max_peak=0)
    assert check("GS903", recording) == []
    assert len(unjudged(recording)) == 2
    nothing_alive = held(Recording(memory=MemoryUse("cpu", ())), max_saved=0, max_peak=0)
    assert check("GS903", nothing_alive) == []
    assert unjudged(nothing_alive) == ["max-peak was not judged: no memory was measured"]


def test_an_estimate_is_called_one() -> None:
    recording = held(SOURCE.recording(memory=replace(MEMORY, is_fake=True)), max_saved=0)
    assert only("GS903", recording).message == "2.00 MiB would be kept for the backward: max-saved is 0 B"


# ---------------------------------------------------------------- GS904

BACKWARD = SOURCE.at("def backward", function="F.backward")
FUNCTION = CheckedFunction("F", SubjectKind.FUNCTION, backward=BACKWARD, agreement=1e-6)
WRONG = WrongGradient(0, "x", (0, 2), 0, (0,), 1.5, 1.0, 1e-12, Cause.FORMULA)


def checked(*functions: CheckedFunction, limit: float | None = 1e-7) -> Recording:
    return held(SOURCE.recording(checked=functions), max_relative_error=limit)


def test_an_error_beyond_the_limit() -> None:
    found = only("GS904", checked(FUNCTION, replace(FUNCTION, name="G", agreement=1e-9)))
    assert found.message == (
        "the gradient of `F` differs from the numerical derivative by 1e-06: max-relative-error is 1e-07"
    )
    assert (found.location, found.label) == (BACKWARD, "relative error 1e-06")
    assert found.evidence == {"function": "F", "error": 1e-6, "limit": 1e-7}
    assert_states_its_limit(found)


def test_the_worst_element_is_named() -> None:
    found = only("GS904", checked(replace(FUNCTION, wrong_gradients=(WRONG,))))
    assert found.evidence["error"] == pytest.approx(1 / 3)
    assert found.notes[0].text == "x[0, 2]: analytical 1.5, numerical 1 ± 1e-12"
    assert found.subjects == ("x",)


@pytest.mark.parametrize(
    "broken",
    [
        replace(FUNCTION, agreement=NAN),
        replace(FUNCTION, wrong_gradients=(replace(WRONG, analytical=NAN),)),
        replace(FUNCTION, wrong_gradients=(replace(WRONG, analytical=INF),)),
        replace(FUNCTION, wrong_gradients=(replace(WRONG, numerical=NAN),)),
    ],
)
def test_what_is_not_a_number_is_within_no_limit(broken: CheckedFunction) -> None:
    assert "cannot be compared" in only("GS904", checked(broken, limit=INF)).message


@pytest.mark.parametrize(
    "function",
    [
        replace(FUNCTION, declared=Declaration("straight-through", BACKWARD)),
        replace(FUNCTION, failure="no arguments were found"),
        replace(FUNCTION, agreement=None),
        replace(FUNCTION, agreement=None, wrong_gradients=(replace(WRONG, cause=Cause.SURROGATE),)),
        replace(FUNCTION, agreement=None, wrong_gradients=(replace(WRONG, analytical=None),)),
    ],
)
def test_what_has_no_error_to_judge(function: CheckedFunction) -> None:
    recording = checked(function)
    assert check("GS904", recording) == []
    assert unjudged(recording) == ["max-relative-error was not judged: no derivative could be compared"]


def test_within_the_limit_and_without_one() -> None:
    assert check("GS904", checked(FUNCTION, limit=1e-6)) == []
    assert check("GS904", checked(replace(FUNCTION, agreement=NAN), limit=None)) == []


def test_the_error_of_a_model() -> None:
    forward = SOURCE.at("y = net")
    model = CheckedModel("Net", error=1e-3, module=FaultyModule("first", "Linear", forward))
    recording = held(SOURCE.recording(checked_models=(model,)), max_relative_error=1e-6)
    found = only("GS904", recording)
    assert (found.location, found.evidence["model"]) == (forward, "Net")
    deliberate = replace(recording, checked_models=(replace(model, deliberate=True),))
    assert check("GS904", deliberate) == []
    unknown = replace(recording, checked_models=(replace(model, error=None),))
    assert check("GS904", unknown) == []
    assert len(unjudged(unknown)) == 1


def test_without_limits_nothing_is_unjudged() -> None:
    assert unjudged(Recording()) == []
