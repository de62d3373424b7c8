"""Which module of a file is meant, when the file does not say."""

from __future__ import annotations

from textwrap import dedent
from types import ModuleType

import pytest

from gradscope.errors import TargetError, render
from gradscope.loader.candidates import the_one

HEAD = """
import torch
from torch import nn
from torch.nn import Linear
"""


def module(text: str) -> ModuleType:
    made = ModuleType("__main__")
    exec(HEAD + dedent(text), vars(made))
    return made


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("class Net(nn.Module): pass", "Net"),
        ("net = nn.Sequential(nn.Linear(2, 2))", "net"),
        # the outermost class
        (
            """
            class Block(nn.Module): pass
            class Body(nn.Module):
                def __init__(self):
                    self.blocks = [Block() for _ in range(3)]
            class Net(nn.Module):
                def __init__(self):
                    self.body = Body()
            """,
            "Net",
        ),
        # a base class is not meant
        ("class Base(nn.Module): pass\nclass Net(Base): pass", "Net"),
        # instances are meant rather than classes, and the outermost of them
        (
            """
            class Net(nn.Module): pass
            class Other(nn.Module): pass
            encoder = nn.Linear(2, 2)
            model = nn.Sequential(encoder)
            alias = model
            """,
            "model",
        ),
    ],
)
def test_the_outermost_is_taken(text: str, name: str) -> None:
    found = the_one(module(text), "model.py")
    assert found is not None
    assert found[0] == name


def test_imported_classes_are_not_the_files_own() -> None:
    assert the_one(module("x = 1"), "model.py") is None


def test_several_are_listed_with_the_command_to_type() -> None:
    text = """
        class Encoder(nn.Module):
            def __init__(self):
                super().__init__()
                self.conv1 = nn.Conv2d(3, 4, 3)
        class Decoder(nn.Module): pass
        class AutoEncoder(nn.Module): pass
    """
    with pytest.raises(TargetError) as caught:
        the_one(module(text), "model.py")
    assert render(caught.value) == (
        "error: model.py defines 3 modules and never calls backward; say which one to\n"
        "  trace\n"
        "  try   gradscope trace model.py:Encoder --input 'randn(2, 3, 32, 32)'\n"
        "        (Encoder, Decoder, AutoEncoder; the shape is a guess from Encoder.conv1)\n"
    )


@pytest.mark.parametrize(
    "first",
    [
        "class A(nn.Module):\n    def __init__(self, dim): pass",
        "class A(nn.Module):\n    def __init__(self): raise OSError",
        "class A(nn.Module): pass",
    ],
)
def test_a_class_that_tells_no_shape_is_still_named(first: str) -> None:
    with pytest.raises(TargetError) as caught:
        the_one(module(first + "\nclass B(nn.Module): pass"), "model.py")
    assert caught.value.try_next == ("gradscope trace model.py:A --input '...'", "(A, B)")
