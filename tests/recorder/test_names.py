"""What a tensor is called that no frame of the program holds any more."""

import torch

from gradscope.recorder.names import named_arguments, variable_name


def test_the_arguments_of_a_call_that_gradscope_makes():
    with named_arguments() as names:
        names["scale"] = torch.ones(3)
        inside = variable_name(names["scale"])
    assert inside == "scale"
    assert not names
