"""What a tensor is called that no frame of the program holds any more."""

import weakref

import torch

from gradscope.recorder.names import named_arguments, variable_name


def test_the_arguments_of_a_call_that_gradscope_makes():
    with named_arguments() as names:
        names["scale"] = torch.ones(3)
        inside = variable_name(names["scale"])
    assert inside == "scale"
    assert not names


def test_looking_for_a_name_keeps_nothing_alive() -> None:
    held = torch.ones(3)
    reference = weakref.ref(held)
    assert variable_name(held) == "held"
    del held
    assert reference() is None


def test_the_locals_that_a_function_asked_for_stay_its_own() -> None:
    held = torch.ones(3)
    mine = locals()
    assert variable_name(held) == "held"
    assert mine["held"] is held
