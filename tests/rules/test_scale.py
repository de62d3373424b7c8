"""GS404 and GS405 on hand-made profiles and growths."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from gradscope.engine import judge
from gradscope.facts import (
    GradientGrowth,
    GradientProfile,
    LayerGradient,
    NonfiniteBirth,
    NonfiniteForward,
    OptimizerFact,
    Recording,
    ZeroedAt,
)
from gradscope.finding import Confidence
from rules.facts_samples import Source, check, got, only, registered

SOURCE = Source(
    """
    class Net(nn.Module):
        def forward(self, x):
            for layer in self.layers:
                x = torch.sigmoid(layer(x))
            return self.head(x)

    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    loss.backward()
    """
)
BACKWARD = SOURCE.at("loss.backward()")
LAYER = SOURCE.at("layer(x)", module="layers.0")


def profile_of(
    rms: Sequence[float],
    *,
    rows: int = 3,
    arriving: Sequence[float] | None = None,
    depth: Callable[[int], int] = lambda index: index + 1,
    name: Callable[[int], str] = "layers.{}".format,
    module_class: str = "Linear",
    kind: str = "SigmoidBackward0",
) -> Recording:
    """Layers, the one nearest the loss first, with the same gradients in every backward."""
    layers = [
        LayerGradient(
            f"{name(index)}.weight",
            depth(index),
            "AddmmBackward0",
            replace(LAYER, module=name(index)),
            (value,) * rows,
            (arriving[index],) if arriving else (),
        )
        for index, value in enumerate(rms)
    ]
    layers.sort(key=lambda layer: -layer.depth)
    leaves = [registered("net", layer.leaf, got(), module_class=module_class) for layer in layers]
    kept, nodes = tuple(range(1, rows + 1)), ((kind, len(rms)),)
    profile = GradientProfile(BACKWARD, rows, kept, tuple(layers), nodes)
    return SOURCE.recording(gradient_profiles=(profile,), leaves=tuple(leaves), steps=rows)


def falling(count: int = 10, factor: float = 0.1) -> list[float]:
    return [factor**index for index in range(count)]


# ---------------------------------------------------------------- GS404 over depth


def test_a_steady_fall_names_the_numbers_and_the_worst_layer() -> None:
    finding = only("GS404", profile_of(falling()))
    assert finding.message == (
        "gradients shrink 10.0x a layer: 1.0e-09 in layers.9 against 1.0e+00 in layers.0, over 10 layers"
    )
    assert finding.location is not None
    assert (finding.location.at, finding.location.module) == (LAYER.at, "layers.9")
    assert finding.confidence is Confidence.CERTAIN
    assert finding.subjects == tuple(f"layers.{index}.weight" for index in range(9, 4, -1))
    assert [note.text for note in finding.notes] == ["10 sigmoid calls: each passes on at most 1/4"]
    assert finding.evidence["places"] == [f"layers.{index}" for index in range(9, -1, -1)]
    assert finding.evidence["ratio"] == pytest.approx(1e9)
    assert "in place of sigmoid" in finding.fix


@pytest.mark.parametrize(
    ("kind", "advice"),
    [("ReluBackward0", "kaiming"), ("TanhBackward0", "tanh"), ("AddmmBackward0", "larger weights")],
)
def test_the_advice_fits_the_activation(kind: str, advice: str) -> None:
    finding = only("GS404", profile_of(falling(), kind=kind))
    assert advice in finding.fix
    assert not [note for note in finding.notes if note.heading == "because"]


def test_two_backwards_are_only_probable() -> None:
    finding = only("GS404", profile_of(falling(), rows=2))
    assert finding.confidence is Confidence.PROBABLE
    assert "2 backwards" in finding.notes[-1].text


def test_weights_without_any_gradient_beyond_the_worst_are_subjects_too() -> None:
    finding = only("GS404", profile_of([*falling(), *[0.0] * 30]))
    assert finding.subjects[0] == "layers.39.weight"
    assert len(finding.subjects) == 35
    assert "in layers.9 against" in finding.message


SILENT = {
    "a ratio below ten thousand": profile_of(falling(10, 0.4)),
    "five layers": profile_of(falling(5, 0.01)),
    "one jump": profile_of([1.0] * 6 + [1e-7] * 6),
    "an outlier at the far end": profile_of([1.0] * 11 + [1e-9]),
    "small everywhere": profile_of([1e-9] * 12),
    "heads side by side": profile_of(falling(), depth=lambda _: 1),
    "embeddings": profile_of(falling(), module_class="Embedding"),
    "norms": profile_of(falling(), module_class="LayerNorm"),
    "nothing finite": profile_of([math.nan] * 10),
    "nothing at all": profile_of([0.0] * 10),
}


@pytest.mark.parametrize("name", SILENT)
def test_silence(name: str) -> None:
    assert check("GS404", SILENT[name]) == []
    assert check("GS405", SILENT[name]) == []


def test_what_has_mended_is_silent() -> None:
    recording = profile_of(falling(), rows=5)
    (profile,) = recording.gradient_profiles
    layers = tuple(replace(layer, rms=(*layer.rms[:-1], 1.0)) for layer in profile.layers)
    mended = replace(recording, gradient_profiles=(replace(profile, layers=layers),))
    assert check("GS404", mended) == []


def test_blocks_are_judged_as_wholes() -> None:
    def name(index: int) -> str:
        return f"blocks.{index // 2}.{'ab'[index % 2]}"

    values = [factor for value in falling(8) for factor in (value, 1e-3 * value)]
    finding = only("GS404", profile_of(values, name=name))
    assert "10.0x a block" in finding.message
    assert "over 8 blocks" in finding.message


def test_a_stack_is_judged_by_itself() -> None:
    def name(index: int) -> str:
        return f"encoder.{index - 10}" if index >= 10 else f"decoder.{index}"

    finding = only("GS404", profile_of([1.0] * 10 + falling(10), name=name))
    assert "against 1.0e+00 in encoder.0, over 10 layers" in finding.message


def test_where_all_weights_are_alike_what_arrives_is_judged() -> None:
    finding = only("GS404", profile_of([1e-6] * 10, arriving=falling()))
    assert "1.0e-09 arrives at layers.9" in finding.message
    assert finding.confidence is Confidence.PROBABLE


def test_a_norm_near_the_loss_makes_up_for_the_scale() -> None:
    grown = [1.0, *(1e9 * value for value in falling(9))]
    assert check("GS404", profile_of([1.0] * 10, arriving=grown)) == []
    shrunk = [1.0, *reversed(falling(9))]
    assert check("GS405", profile_of([1.0] * 10, arriving=shrunk)) == []


# ---------------------------------------------------------------- GS405 over depth and time


def test_growth_towards_the_input() -> None:
    finding = only("GS405", profile_of([1.0] * 10, arriving=[10 * 4.0**index for index in range(10)]))
    assert "gradients grow 4.0x a layer: 2.6e+06 arrives at layers.9 against 1.0e+01" in finding.message
    assert check("GS404", profile_of([1.0] * 10, arriving=[4.0**index for index in range(10)])) == []


def recurrent(factor: float, *, recurs: bool = True) -> Recording:
    recording = profile_of([1.0, 1.0], name=("head", "cell.step").__getitem__)
    (profile,) = recording.gradient_profiles
    cell, head = profile.layers
    cell = replace(cell, arriving=tuple(factor**index for index in range(40)), recurrent=recurs)
    return replace(recording, gradient_profiles=(replace(profile, layers=(cell, head)),))


def test_growth_over_the_uses_of_one_weight() -> None:
    finding = only("GS405", recurrent(1.5))
    assert "arrives at the first use of cell.step.weight" in finding.message
    assert "over 40 uses" in finding.message
    assert finding.subjects == ("cell.step.weight",)
    assert "orthogonal_(cell.step.weight" in finding.fix


def test_forgetting_over_time_is_silent_and_so_are_uses_side_by_side() -> None:
    assert check("GS404", recurrent(0.5)) == check("GS405", recurrent(0.5)) == []
    assert check("GS405", recurrent(1.5, recurs=False)) == []


# ---------------------------------------------------------------- GS405 from step to step


def growth(
    *norms: float, overflow: int | None = None, losses: Sequence[float | None] | None = None
) -> Recording:
    fact = GradientGrowth(BACKWARD, tuple(range(1, len(norms) + 1)), norms, tuple(losses or norms), overflow)
    made = SOURCE.at("torch.optim.SGD(net.parameters(), lr=0.1)")
    optimizer = OptimizerFact("SGD", made, ("layers.0.weight",), steps=3)
    return SOURCE.recording(gradient_growths=(fact,), optimizers=(optimizer,))


def test_growth_that_overflows() -> None:
    finding = only("GS405", growth(1e4, 1e8, 1e15, overflow=4))
    assert finding.message == (
        "gradients grow from step to step: 1.0e+04 to 1.0e+15 in 2 steps; backward 4 has overflowed"
    )
    assert finding.location == BACKWARD
    assert finding.confidence is Confidence.CERTAIN
    assert [other.location.line for other in finding.related] == [7]
    assert finding.fix.startswith("inputs and targets")
    assert only("GS405", growth(1.0, 1e4, 1e9, overflow=4)).fix.startswith("a smaller learning rate")


@pytest.mark.parametrize(
    "recording",
    [
        growth(1.0, 1e3, overflow=3),
        growth(1.0, 1e3, 1e6, 1e9, losses=[1.0, 1.0, 1.0, 1.0]),
        growth(1.0, 1.1, 1.2, 1e9),
        growth(1.0, 1e4, 1e8),
        growth(1.0, 1e3, 1e6, 1e9, losses=[None] * 4),
        growth(1.0, 1e9, overflow=3, losses=[2.0, 1.0]),
    ],
    ids=["small", "loss stays", "one jump", "two steps", "loss unknown", "loss falls"],
)
def test_growth_that_is_none(recording: Recording) -> None:
    assert check("GS405", recording) == []


def test_growth_without_an_overflow_needs_the_loss() -> None:
    finding = only("GS405", growth(1.0, 1e3, 1e6, 1e9, losses=[1.0, 10.0, 1e4, 1e6]))
    assert "and the loss 1.0e+00 to 1.0e+06" in finding.message


def test_a_loss_and_a_gradient_that_grow_alike_are_multiplied() -> None:
    assert check("GS405", growth(1.0, 1e2, 1e4, 1e6, 1e8, losses=[2.0, 2e2, 1.9e4, 2e6, 2e8])) == []
    assert check("GS405", growth(1.0, 1e2, 1e4, 1e6, 1e8, losses=[1.0, 1e4, 1e8, 1e12, 1e16])) != []


def lost(highest: float, *, later: int, last: float) -> Recording:
    fact = GradientGrowth(
        BACKWARD, (1, 2), (1e5, 1e15), (2e4, 3e17), highest_loss=highest, later=later, last_loss=last
    )
    return SOURCE.recording(gradient_growths=(fact,))


def test_one_jump_from_which_the_loss_never_comes_back() -> None:
    assert only("GS405", lost(2e4, later=20, last=3e13)).confidence is Confidence.PROBABLE
    assert check("GS405", lost(2e4, later=20, last=3e4)) == []
    assert check("GS405", lost(1e11, later=20, last=3e13)) == []
    assert check("GS405", lost(2e4, later=2, last=3e17)) == []


# ---------------------------------------------------------------- one cause, one finding


def _overflow(step: int, kind: str = "inf", source: str | None = None) -> NonfiniteForward:
    return NonfiniteForward(kind, "mse_loss", LAYER, (), None, kind, BACKWARD, step, source)


def _codes(recording: Recording) -> list[tuple[str, list[str]]]:
    findings, _ = judge(recording)
    return [(one.code, [other.code for other in one.consequences]) for one in findings]


def test_the_overflow_is_a_consequence_of_the_growth() -> None:
    recording = growth(1e4, 1e8, 1e15, overflow=4)
    born = NonfiniteBirth("inf", "inf", "PowBackward0", LAYER, None, None, (), ("w",), 1, BACKWARD, 5)
    later = replace(recording, nonfinite_forwards=(_overflow(4),), births=(born,))
    assert _codes(later) == [("GS405", ["GS402", "GS403"])]


def test_a_nan_before_the_overflow_is_none_of_it() -> None:
    recording = replace(growth(1e4, 1e8, 1e15, overflow=4), nonfinite_forwards=(_overflow(3, "nan"),))
    assert _codes(recording) == [("GS403", []), ("GS405", [])]


def test_an_explosion_over_depth_explains_an_overflow_of_a_later_step_but_no_other_nan() -> None:
    recording = profile_of([1.0] * 10, arriving=[5.0**index for index in range(10)])
    assert _codes(replace(recording, nonfinite_forwards=(_overflow(2),))) == [("GS405", ["GS403"])]
    assert len(_codes(replace(recording, nonfinite_forwards=(_overflow(2, "nan"),)))) == 2
    assert len(_codes(replace(recording, nonfinite_forwards=(_overflow(1),)))) == 2


def test_zeros_at_the_far_end_of_a_fall_are_its_consequence() -> None:
    recording = profile_of([*falling(), 0.0])
    zero = registered("net", "layers.10.bias", got(3, zero=3))
    weight = replace(recording.leaves[0], gradient=got(3, zero=3))
    fact = ZeroedAt("SigmoidBackward0", "sigmoid", LAYER, ("layers.10.weight", "layers.10.bias"), (), 3)
    vanished = replace(recording, leaves=(weight, *recording.leaves[1:], zero), zeroed=(fact,))
    assert _codes(vanished) == [("GS404", ["GS108"])]
