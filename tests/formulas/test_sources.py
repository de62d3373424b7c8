"""Custom Functions and ops by their text."""

from __future__ import annotations

from textwrap import dedent

import pytest

from gradscope.formulas.sources import custom_source, custom_sources

TEXT = dedent(
    '''
    import torch
    from torch.autograd import Function

    class Base(Function):
        @staticmethod
        def forward(ctx, x, power):
            y = x.exp()
            ctx.save_for_backward(y, x)
            ctx.power = power
            return y

    class Softmax(Base):
        """A class below another one."""

        @staticmethod
        def backward(ctx, grad):
            y, x = ctx.saved_tensors
            return grad * y, None

    class Layer(torch.nn.Module):
        class Inner(torch.autograd.Function):
            @staticmethod
            def forward(x):
                return x * 2

            @staticmethod
            def setup_context(ctx, inputs, output):
                (ctx.x,) = inputs

            @staticmethod
            def backward(ctx, grad):
                return grad * 2

    def make():
        class Local(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                return x

            @staticmethod
            def backward(ctx, grad):
                return grad
        return Local

    @torch.library.custom_op("mine::soft", mutates_args=())
    def soft(x: torch.Tensor) -> torch.Tensor:
        return x.sin()

    def setup(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    def soft_backward(ctx, grad):
        return grad

    soft.register_autograd(soft_backward, setup_context=setup)

    @torch.library.custom_op("mine::hard", mutates_args=())
    def hard(x: torch.Tensor) -> torch.Tensor:
        return x.sign()

    torch.library.register_autograd("mine::hard", soft_backward)
    '''
)


def test_all_that_a_file_defines_in_order() -> None:
    assert [each.name for each in custom_sources(TEXT)] == [
        "Base",
        "Softmax",
        "Layer.Inner",
        "make.<locals>.Local",
        "mine::soft",
        "mine::hard",
    ]


def test_a_function_and_what_it_inherits() -> None:
    found = custom_source(TEXT, "Softmax")
    assert found is not None
    assert found.node == "SoftmaxBackward"
    assert [part.role for part in found.parts] == ["forward", "backward"]
    assert found.saved == ("y", "x", "ctx.power")
    backward = found.parts[1]
    assert backward.text.startswith("@staticmethod\ndef backward(ctx, grad):\n    y, x")
    assert TEXT.splitlines()[backward.line - 1].strip() == "def backward(ctx, grad):"


@pytest.mark.parametrize(
    ("name", "node"),
    [
        ("SoftmaxBackward", "SoftmaxBackward"),
        ("Inner", "InnerBackward"),
        ("Layer.Inner", "InnerBackward"),
        ("Local", "LocalBackward"),
        ("soft", "GeneratedBackwardFor_mine_soft_defaultBackward"),
        ("mine::soft", "GeneratedBackwardFor_mine_soft_defaultBackward"),
        ("GeneratedBackwardFor_mine_hard_defaultBackward", "GeneratedBackwardFor_mine_hard_defaultBackward"),
    ],
)
def test_by_every_name(name: str, node: str) -> None:
    found = custom_source(TEXT, name)
    assert found is not None
    assert found.node == node


def test_a_custom_op() -> None:
    soft, hard = custom_source(TEXT, "soft"), custom_source(TEXT, "hard")
    assert soft is not None
    assert hard is not None
    assert soft.kind == "custom op"
    assert [part.role for part in soft.parts] == ["forward", "setup_context", "backward"]
    assert soft.saved == ("*inputs",)
    assert [part.role for part in hard.parts] == ["forward", "backward"]
    assert "def soft_backward" in hard.parts[1].text


def test_the_last_definition_of_a_name_is_not_taken_for_another() -> None:
    assert custom_source(TEXT, "Layer") is None
    assert custom_source(TEXT, "make") is None


@pytest.mark.parametrize("text", ["", "x = 1\n", "class A(:\n", "class Softmax(Base): pass\n"])
def test_files_without_any(text: str) -> None:
    assert custom_sources(text) == ()


def test_a_function_below_one_of_another_file() -> None:
    text = """
from elsewhere import Base

class Mine(Base):
    @staticmethod
    def backward(ctx, grad):
        return grad

class Trainer(Base):
    def backward(self, loss):
        loss.backward()
"""
    assert [each.name for each in custom_sources(text)] == ["Mine"]


def test_classes_that_derive_from_each_other_end() -> None:
    assert custom_sources("class A(B): pass\nclass B(A): pass\n") == ()


def test_other_line_ends() -> None:
    found = custom_source(TEXT.replace("\n", "\r\n"), "Softmax")
    assert found is not None
    assert found.parts[1].text == custom_source(TEXT, "Softmax").parts[1].text
