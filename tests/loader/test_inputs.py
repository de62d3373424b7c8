"""Inputs from files and from the module itself."""

from __future__ import annotations

import pickle
from pathlib import Path
from types import ModuleType

import pytest
import torch

from gradscope.errors import InputError
from gradscope.loader.inputs import HOOK, Inputs, given_inputs
from gradscope.loader.options import Options


def from_file(path: Path | str) -> Inputs | None:
    return given_inputs(Options(inputs_file=str(path)), ModuleType("empty"))


def from_hook(value: object) -> Inputs | None:
    module = ModuleType("model")
    setattr(module, HOOK, lambda: value)
    return given_inputs(Options(), module)


X, Y = torch.arange(3.0), torch.ones(2, 2)


@pytest.mark.parametrize(
    ("saved", "args", "kwargs"),
    [
        (X, [X], {}),
        ((X, Y), [X, Y], {}),
        ([X, Y], [X, Y], {}),
        ({"x": X, "y": Y}, [], {"x": X, "y": Y}),
    ],
)
def test_a_tensor_a_tuple_and_a_dict(
    saved: object, args: list[torch.Tensor], kwargs: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    torch.save(saved, tmp_path / "batch.pt")
    for found in (from_file(tmp_path / "batch.pt"), from_hook(saved)):
        assert found is not None
        torch.testing.assert_close(list(found.args), args)
        torch.testing.assert_close(dict(found.kwargs), kwargs)


def test_safetensors_are_named_inputs(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"x": X}, tmp_path / "batch.safetensors")
    found = from_file(tmp_path / "batch.safetensors")
    assert found is not None
    torch.testing.assert_close(dict(found.kwargs), {"x": X})
    (tmp_path / "broken.safetensors").write_bytes(b"no")
    with pytest.raises(InputError, match="is not a safetensors file"):
        from_file(tmp_path / "broken.safetensors")


class Anything:
    """A class that weights_only refuses."""


def test_a_file_that_is_not_only_tensors_is_refused(tmp_path: Path) -> None:
    torch.save({"x": Anything()}, tmp_path / "batch.pt")
    with pytest.raises(InputError, match="cannot be loaded with weights_only=True") as caught:
        from_file(tmp_path / "batch.pt")
    assert caught.value.try_next[0].startswith("save only tensors")
    with pytest.raises(InputError, match="no such file"):
        from_file(tmp_path / "none.pt")
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(3) + b"x")
    with pytest.raises(InputError, match="cannot be loaded"):
        from_file(tmp_path / "plain.pt")


def test_the_first_source_that_was_given_counts() -> None:
    module = ModuleType("model")
    setattr(module, HOOK, lambda: X)
    found = given_inputs(Options(inputs=("ones(2)", "k=1")), module)
    assert found is not None
    assert found.source == "--input 'ones(2)' --input 'k=1'"
    assert str(found) == "float32 (2,), k=1"
    assert given_inputs(Options(), ModuleType("empty")) is None


def test_a_name_may_be_given_once() -> None:
    with pytest.raises(InputError, match=r"k=\.\.\. is given twice"):
        given_inputs(Options(inputs=("k=1", "k=2")), ModuleType("empty"))


def test_what_gradscope_inputs_returns_is_checked() -> None:
    with pytest.raises(InputError, match="must return a tensor, tuple or dict"):
        from_hook(None)
    with pytest.raises(InputError, match="must be the names of arguments"):
        from_hook({1: X})


def test_copies_share_nothing_and_are_leaves() -> None:
    inputs = Inputs(([X, {"k": Y}], "text"), {"w": torch.ones(2, requires_grad=True)})
    copies = inputs.copies()
    copied, kept = copies.tensors(), inputs.tensors()
    torch.testing.assert_close([t.detach() for t in copied], [t.detach() for t in kept])
    assert all(new.data_ptr() != old.data_ptr() for new, old in zip(copied, kept, strict=True))
    assert [t.requires_grad for t in copied] == [False, False, True]
    assert all(t.is_leaf for t in copied)
    assert copies.args[1] == "text"


def test_placing_casts_floating_point_tensors_only() -> None:
    placed = Inputs((X, torch.arange(3))).placed(torch.device("cpu"), torch.float64)
    assert [t.dtype for t in placed.tensors()] == [torch.float64, torch.int64]
