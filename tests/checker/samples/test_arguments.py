"""Which arguments come first: given, the file's own, captured, found by trial."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
import torch

from gradscope.checker.point import Deadline, Point, Sample
from gradscope.checker.samples.arguments import hook_samples, samples_for
from gradscope.checker.subject import Subject
from gradscope.checker.subjects.discovery import subject_of
from gradscope.errors import InputError
from gradscope.facts.checks import Origin
from gradscope.loader.inputs import Inputs, from_expressions
from tests.checker import styles

CAPTURED = Sample((torch.ones(2),), {}, "train.py:3, call 1", Origin.CAPTURED)


def subject(value: object, name: str = "") -> Subject:
    found = subject_of(value, name or getattr(value, "__name__", "f"))
    assert found is not None
    return found


def module(hook: Any) -> ModuleType:
    made = ModuleType("made")
    made.gradscope_inputs = hook  # type: ignore[attr-defined]
    return made


def origins(samples: list[Sample]) -> list[Origin]:
    return [sample.origin for sample in samples]


def test_given_first_then_captured() -> None:
    given = from_expressions(["randn(3)"])
    samples, why = samples_for(subject(styles.Cube), styles, given, [CAPTURED], Deadline(1))
    assert (origins(samples), why) == ([Origin.GIVEN, Origin.CAPTURED], "")
    assert samples[0].source == "--input 'randn(3)'"
    assert samples[0].args[0] is given.args[0]


def test_the_files_own_then_captured_then_by_trial() -> None:
    cube = subject(styles.Cube)
    own = module({"Cube": (torch.ones(1),)})
    assert origins(samples_for(cube, own, None, [CAPTURED])[0]) == [Origin.HOOK, Origin.CAPTURED]
    assert origins(samples_for(cube, styles, None, [CAPTURED])[0]) == [Origin.CAPTURED]
    assert set(origins(samples_for(cube, None, None, [], Deadline(5))[0])) == {Origin.INFERRED}


def test_given_arguments_that_do_not_fit() -> None:
    with pytest.raises(
        InputError, match=r"do not fit Affine\(x, weight, bias=None, activation='none'\)"
    ) as e:
        samples_for(subject(styles.Affine), styles, from_expressions(["randn(3)"]))
    assert e.value.try_next == ("add --input 'weight=...'",)


def test_names_become_places_for_a_function() -> None:
    given = Inputs((torch.ones(2, 3),), {"weight": torch.eye(3), "activation": "relu"})
    (sample,), _ = samples_for(subject(styles.Affine), styles, given)
    assert sample.kwargs == {}
    assert (sample.args[2], sample.args[3]) == (None, "relu")
    styles.Affine.apply(*sample.args)


def test_names_stay_names_for_others() -> None:
    given = Inputs((), {"x": torch.ones(2), "y": torch.ones(2)})
    (sample,), _ = samples_for(subject(styles.plain), styles, given)
    assert set(sample.kwargs) == {"x", "y"}
    assert Point.of(subject(styles.plain), sample).names == ("x", "y")


@pytest.mark.parametrize(
    ("hook", "count"),
    [
        ({"Cube": (torch.ones(1),)}, 1),
        ({"Cube": torch.ones(1)}, 1),
        ({"Cube": [(torch.ones(1),), (torch.ones(2),)]}, 2),
        ({"Cube": lambda: (torch.ones(1),)}, 1),
        ({"Cube": {"x": torch.ones(1)}}, 1),
        (lambda: {"Cube": (torch.ones(1),)}, 1),
        (lambda: (torch.ones(1),), 1),
        (lambda: torch.ones(1), 1),
        (lambda: {"x": torch.ones(1)}, 1),
        ({"Square": (torch.ones(1),)}, 0),
        (lambda: {"Square": (torch.ones(1),)}, 0),
        (lambda: (torch.ones(1), torch.ones(1)), 0),
        (lambda: None, 0),
        (None, 0),
    ],
)
def test_forms_of_the_hook(hook: Any, count: int) -> None:
    samples = hook_samples(subject(styles.Cube), module(hook))
    assert len(samples) == count
    for number, sample in enumerate(samples):
        tensor = sample.args[0] if sample.args else sample.kwargs["x"]
        assert tensor.numel() == number + 1


def test_a_nested_name_may_be_short() -> None:
    scale = subject(styles.Layer.Scale, "Layer.Scale")
    for name in ("Layer.Scale", "Scale"):
        (sample,) = hook_samples(scale, module({name: (torch.ones(1), 2.0)}))
        assert sample.source == f"gradscope_inputs['{name}']"


def test_a_hook_that_raises_is_told() -> None:
    def hook() -> None:
        raise FileNotFoundError("data.pt")

    samples, why = samples_for(subject(styles.Cube), module(hook), None, [CAPTURED])
    assert (samples, why) == ([], "gradscope_inputs raises FileNotFoundError: data.pt")


def test_own_arguments_that_do_not_fit_are_told() -> None:
    samples, why = samples_for(subject(styles.Cube), module({"Cube": (torch.ones(1), 2)}), None)
    assert samples == []
    assert why.startswith("the inputs do not fit Cube(x): too many positional arguments")
