"""One trial of arguments: built from options, called on forward, and on backward."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from enum import Enum
from io import StringIO
from typing import Any

import torch
from torch import Tensor

from gradscope.checker.point import Sample, is_differentiable, tensors_of
from gradscope.checker.raised import raised
from gradscope.checker.samples.option import Option
from gradscope.checker.samples.roles import Asked
from gradscope.checker.subject import Subject
from gradscope.facts.checks import Origin
from gradscope.loader.generators import seeded

_SEED = 20_261


class Values(Enum):
    """What the elements of floating-point tensors are drawn from, as `--input` would say it."""

    NORMAL = "randn({})"
    POSITIVE = "rand({}) + 0.5"
    UNIT = "0.8 * rand({}) + 0.1"


@dataclass(frozen=True, slots=True)
class Candidate:
    """One option for each parameter. `cost` counts how far it is from the likeliest."""

    parameters: tuple[Asked, ...]
    options: tuple[Option, ...]
    anchor: tuple[int, ...]
    cost: int
    values: Values = Values.NORMAL
    unusual: bool = False

    def drawn_from(self, values: Values) -> Candidate:
        """The same shapes with other elements."""
        return replace(self, values=values)

    def with_option(self, number: int, option: Option) -> Candidate:
        """The same but for one parameter."""
        options = [*self.options[:number], option, *self.options[number + 1 :]]
        return replace(self, options=tuple(options))

    def sample(self) -> Sample:
        """The arguments, drawn anew from a generator with a fixed seed."""
        generator = torch.Generator().manual_seed(_SEED)
        args: list[Any] = []
        kwargs: dict[str, Any] = {}
        given = self._given()
        for parameter, option in given:
            value = self._made(parameter, option, generator)
            if parameter.by_name:
                kwargs[parameter.name] = value
            else:
                args.append(value)
        told = [f"{parameter.name} {self._text(parameter, option)}" for parameter, option in given]
        return Sample(tuple(args), kwargs, f"inferred: {', '.join(told)}", Origin.INFERRED, self.unusual)

    def _given(self) -> list[tuple[Asked, Option]]:
        """The parameters without those at the end, and those by keyword, that keep their defaults."""
        pairs = list(zip(self.parameters, self.options, strict=True))
        named = [pair for pair in pairs if pair[0].by_name]
        places = [pair for pair in pairs if not pair[0].by_name]
        while places and places[-1][1].what == "left out":
            places.pop()
        return places + [pair for pair in named if pair[1].what != "left out"]

    def _made(self, parameter: Asked, option: Option, generator: torch.Generator) -> Any:
        match option.what:
            case "float":
                return self._floats(option.shape, generator)
            case "shares":
                return _placed(_shares(torch.randn(option.shape, generator=generator, device="cpu")))
            case "list":
                return [self._floats(option.shape, generator) for _ in range(2)]
            case "int":
                return _placed(torch.randint(0, option.high, option.shape, generator=generator, device="cpu"))
            case "bool":
                return _placed(torch.rand(option.shape, generator=generator, device="cpu") > 0.3)
            case "function":
                return _tanh_of_all
            case "left out":
                return parameter.default
            case _:
                return option.value

    def _floats(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        if self.values is Values.NORMAL:
            return _placed(torch.randn(shape, generator=generator, device="cpu"))
        drawn = torch.rand(shape, generator=generator, device="cpu")
        return _placed(drawn + 0.5 if self.values is Values.POSITIVE else 0.8 * drawn + 0.1)

    def _text(self, parameter: Asked, option: Option) -> str:
        floats = self.values.value.format(", ".join(map(str, option.shape)) or "()")
        match option.what:
            case "float":
                return floats
            case "shares":
                return f"randn({', '.join(map(str, option.shape))}).softmax(-1)"
            case "list":
                return f"[{floats}, {floats}]"
            case "int":
                return f"randint(0, {option.high}, {option.shape})"
            case "bool":
                return f"rand({', '.join(map(str, option.shape)) or '()'}) > 0.3"
            case "function":
                return "lambda *tensors: sum(t.tanh() for t in tensors)"
            case "left out":
                return repr(parameter.default)
            case _:
                return repr(option.value)


def _placed(tensor: Tensor) -> Tensor:
    """On the device that the program makes its tensors on; drawn on the CPU, they are the same everywhere."""
    return tensor.to(torch.get_default_device())


def _shares(drawn: Tensor) -> Tensor:
    """Positive numbers that add up to exactly one in every row: what is a rounding error in float32 would be
    a mistake in float64, where the formula of a loss counts on it.
    """
    shares = (drawn.softmax(-1) * _PARTS).floor() / _PARTS
    shares[..., 0] += 1 - shares.sum(-1)
    return shares


_PARTS = 1024


def _tanh_of_all(*tensors: Any) -> Any:
    """A function to give as an argument: smooth, and of any number of tensors."""
    return sum(tensor.tanh() for tensor in tensors if isinstance(tensor, Tensor))


@dataclass(frozen=True, slots=True)
class Trial:
    """How forward ended: finite floating-point tensors, or `error` in one line. `seconds` it took."""

    error: str = ""
    finite: bool = True
    seconds: float = 0.0

    @property
    def works(self) -> bool:
        """Whether the arguments can be used."""
        return not self.error and self.finite


def try_forward(subject: Subject, sample: Sample) -> Trial:
    """Calls the subject without a graph; whatever it raises is told."""
    began = time.perf_counter()
    try:
        with torch.no_grad(), _unheard():
            output = subject.call(*_cloned(sample.args), **_cloned_by_name(sample.kwargs))
            tensors = [t for t in tensors_of(output) if is_differentiable(t) and t.numel()]
            finite = all(bool(torch.isfinite(t).all()) for t in tensors)
    except Exception as error:  # noqa: BLE001  a trial may fail in any way
        return Trial(raised(error), seconds=time.perf_counter() - began)
    if not tensors:
        return Trial("forward returns no floating-point tensor", seconds=time.perf_counter() - began)
    return Trial("", finite, time.perf_counter() - began)


NO_GRAPH = "no output has a graph"


def backward_error(subject: Subject, sample: Sample) -> str:
    """What a backward from all outputs raises, in one line; "" where it ends without an error."""
    leaves: list[Tensor] = []

    def watched(value: Any) -> Any:
        if not is_differentiable(value):
            return value
        leaf = value.detach().clone().requires_grad_()
        leaves.append(leaf)
        return leaf.clone()

    try:
        with torch.enable_grad(), _unheard():
            args, kwargs = torch.utils._pytree.tree_map(watched, (sample.args, dict(sample.kwargs)))
            output = subject.call(*args, **kwargs)
            outputs = [t for t in tensors_of(output) if is_differentiable(t) and t.requires_grad]
            if outputs:
                ones = [torch.ones_like(t) for t in outputs]
                torch.autograd.grad(outputs, leaves, ones, allow_unused=True)
    except Exception as error:  # noqa: BLE001  a trial may fail in any way
        return raised(error)
    return "" if outputs else NO_GRAPH


@contextmanager
def _unheard() -> Iterator[None]:
    """Many trials say the same: what they print and warn of is dropped. Generators are where they were."""
    with seeded(), warnings.catch_warnings(), redirect_stdout(StringIO()):
        warnings.simplefilter("ignore")
        yield


def _cloned(values: Sequence[Any]) -> Any:
    return torch.utils._pytree.tree_map(_clone, tuple(values))


def _cloned_by_name(values: Any) -> Any:
    return torch.utils._pytree.tree_map(_clone, dict(values))


def _clone(value: Any) -> Any:
    return value.detach().clone() if isinstance(value, Tensor) else value
