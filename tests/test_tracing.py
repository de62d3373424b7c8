"""What happens around a recording: faults of ours, callers, and files that only define a module."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gradscope import tracing
from gradscope.errors import Fault
from gradscope.recorder import Recorder


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("__enter__", "could not be installed"),
        ("__exit__", "could not be taken out"),
        ("recording", "could not be read"),
    ],
)
def test_a_fault_of_ours_lets_the_program_run_on(
    broken: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = []

    def program(_note: Callable[[str], None]) -> None:
        ran.append(True)
        raise ValueError("theirs")

    leave = Recorder.__exit__

    def fail(recorder: Recorder, *_: object) -> None:
        if broken == "__exit__":
            leave(recorder, None, None, None)
        raise KeyError("ours")

    monkeypatch.setattr(tracing.Recorder, broken, fail)
    with pytest.raises(Fault, match=said) as caught:
        tracing.record(program)
    assert ran == [True]
    assert isinstance(caught.value.__cause__, KeyError)
    assert caught.value.program_error.endswith("ValueError: theirs\n")
    assert "KeyError" not in caught.value.program_error
    assert "the program ran on and ended with status 1" in caught.value.what


def test_who_called_us_is_no_line_of_the_program() -> None:
    import torch

    def program(_note: Callable[[str], None]) -> None:
        exec("import torch\n", {})
        torch.ones(2, requires_grad=True).sum().backward()  # called from this file, and that is hidden too

    def caller() -> tuple[object, ...]:
        recording = tracing.record(program)
        return tuple(fact.location and fact.location.function for fact in recording.backwards)

    functions = caller()
    assert len(functions) == 1
    assert "program" in str(functions[0])
    assert "caller" not in str(functions[0])
