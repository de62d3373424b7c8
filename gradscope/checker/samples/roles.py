"""What a parameter is likely to be, told from its name, annotation, default and use: options in order."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

from gradscope.checker.samples import words
from gradscope.checker.samples.option import D, N, O, Option, value_of
from gradscope.checker.samples.scalars import scalars
from gradscope.syntax.uses import Use

ANCHORS: tuple[tuple[int, ...], ...] = (
    (N, D),
    (2, N, D),
    (2, D, 6, 5),
    (6,),
    (D, D),
    (N, 6),
    (2, D, 8),
    (),
    (1, 2, N, 6),
    (2, 2, 3, N, O),
)
"""Shapes of a function's first tensor, the likeliest first; the last size is the number of features."""


_TELL_NOTHING = ("Any", "typing.Any", "t.Any", "object")


@dataclass(frozen=True, slots=True)
class Asked:
    """A parameter that needs a value. `default` is `inspect.Parameter.empty` where it has none."""

    name: str
    annotation: str = ""
    default: Any = inspect.Parameter.empty
    by_name: bool = False

    @classmethod
    def of(cls, parameter: inspect.Parameter) -> Asked:
        """A parameter of a signature."""
        kind = parameter.annotation
        text = "" if kind is parameter.empty else kind.__name__ if isinstance(kind, type) else str(kind)
        text = "" if text in _TELL_NOTHING else text
        return cls(parameter.name, text, parameter.default, parameter.kind is parameter.KEYWORD_ONLY)

    @property
    def has_default(self) -> bool:
        """Whether it may be left out."""
        return self.default is not inspect.Parameter.empty


@dataclass(frozen=True, slots=True)
class Clues:
    """What is known beside a parameter's own words: the shape `anchor` of the first tensor, whether this is
    it, how forward uses it, the strings it is compared with, and the names of all parameters.
    """

    anchor: tuple[int, ...]
    first: bool = False
    uses: frozenset[Use] = frozenset()
    texts: tuple[str, ...] = ()
    names: frozenset[str] = frozenset()

    @property
    def beside_weight(self) -> bool:
        """Whether a parameter seems to be a matrix of weights: not one that scales features."""
        return not self.names & words.NORMS and any(map(_is_weight, self.names))

    @property
    def beside_scale(self) -> bool:
        """Whether features are scaled, or normalised."""
        return bool(self.names & (words.FACTORS | words.NORMS))

    def is_bias(self, name: str) -> bool:
        """Whether a parameter is added to all rows: `b` is that too, but for the second one of `a, b`."""
        return words.BIASES.fullmatch(name) is not None or (name == "b" and "a" not in self.names)

    def is_vector(self, name: str) -> bool:
        """Whether a parameter that might be a number is one for each feature: `gamma` beside `beta`."""
        if name in words.FACTORS:
            return any(self.is_bias(other) for other in self.names)
        return name == "beta" and "gamma" in self.names


def anchors(names: frozenset[str]) -> tuple[tuple[int, ...], ...]:
    """`ANCHORS`, images first where a parameter is one of an operation on images."""
    if not names & words.SPATIAL:
        return ANCHORS
    return tuple(sorted(ANCHORS, key=lambda shape: (len(shape) != _IMAGES, len(shape) != _IMAGES - 1)))


_IMAGES = 4


def _is_weight(name: str) -> bool:
    """Whether a parameter is called like a matrix of weights."""
    return words.WEIGHTS.fullmatch(name) is not None


def options_of(parameter: Asked, clues: Clues) -> list[Option]:
    """What to try for a parameter, the likeliest first."""
    return list({repr(option): option for option in _options(parameter, clues)}.values())  # 1 is not True


def _options(parameter: Asked, clues: Clues) -> Iterator[Option]:
    name, annotation, default, uses = parameter.name, parameter.annotation, parameter.default, clues.uses
    if clues.texts:
        yield from (value_of(text) for text in clues.texts)
        if isinstance(default, str):
            yield value_of(default)
        return
    is_tensor = Use.TENSOR in uses or ("Tensor" in annotation and not _is_list(annotation))
    if parameter.has_default and (default is not None or not (is_tensor or _is_called_tensor(name))):
        yield Option("left out")
    if isinstance(default, bool):
        yield value_of(not default)
        return
    if Use.FLAG in uses and not is_tensor:
        yield from (value_of(True), value_of(False))
    if Use.CALLED in uses:
        yield Option("function")
    if _is_list(annotation) or (not annotation and words.LISTS.fullmatch(name)):
        yield Option("list", clues.anchor)
    scalar = scalars(name, annotation, default, clues.anchor)
    if is_tensor:
        yield from _tensors(name, clues)
    elif clues.is_vector(name) and not annotation:
        yield from _tensors(name, clues)
        yield from scalar
    elif scalar and (not clues.first or annotation or Use.NUMBER in uses):
        yield from scalar
        yield from _tensors(name, clues)
    elif annotation and annotation != "None":
        yield from scalar
    else:
        numbers = [value_of(1), value_of(0.5)]
        tensors = list(_tensors(name, clues))
        if not (clues.first or _is_called_tensor(name) or clues.is_bias(name)):
            first, second = (numbers, tensors) if Use.KEPT in uses else (tensors, numbers)
            yield from chain.from_iterable(zip(first, second, strict=False))
        if not clues.first or scalar or uses & {Use.NUMBER, Use.KEPT, Use.FLAG}:
            yield from (*tensors, *numbers, *scalar, value_of(True))
        else:
            yield from tensors
    if parameter.has_default:
        yield Option("left out")
    elif not clues.first:
        yield value_of(None)


def _is_called_tensor(name: str) -> bool:
    return any(
        kind.fullmatch(name)
        for kind in (words.WEIGHTS, words.BIASES, words.VECTORS, words.MASKS, words.TARGETS)
    )


def _is_called_target(name: str) -> bool:
    return words.TARGETS.fullmatch(name) is not None or "label" in name


def _is_list(annotation: str) -> bool:
    return "Tensor" in annotation and any(word in annotation.lower() for word in ("list", "sequence", "[]"))


def _tensors(name: str, clues: Clues) -> Iterator[Option]:
    """Tensors of the shapes that go with the anchor."""
    anchor = clues.anchor
    is_index = words.INDICES.fullmatch(name) is not None or Use.INDEX in clues.uses
    if clues.first and not is_index:
        yield Option("float", anchor)
        return
    if words.MASKS.fullmatch(name):
        scores = (*anchor[:-1], anchor[-2]) if len(anchor) > 1 else anchor  # of queries and keys
        yield from (Option("bool", shape) for shape in (anchor, scores, anchor[:-1], anchor[-1:]))
    if is_index:
        shapes = (anchor[:1], anchor[:-1], anchor, (anchor[0], 1) if anchor else (), (6,))
        yield from (Option("int", shape) for shape in dict.fromkeys(shapes))
    floats = [Option("float", shape) for shape in dict.fromkeys(_shapes(name, clues))]
    if _is_called_target(name) and anchor and any(map(words.SCORES.fullmatch, clues.names)):
        floats.insert(0, Option("shares", anchor))
    if words.TARGETS.fullmatch(name):
        classes = [Option("int", shape) for shape in dict.fromkeys((anchor[:-1], anchor[:1]))]
        floats[1:1] = classes
    yield from floats


def _shapes(name: str, clues: Clues) -> Iterator[tuple[int, ...]]:
    anchor = clues.anchor
    features = anchor[-1] if anchor else 1
    channels = anchor[1] if len(anchor) > 2 else features
    conv = (O, channels, *(min(3, size) for size in anchor[2:])) if len(anchor) > 2 else ()
    images = len(anchor) > 3
    if _is_weight(name):
        if clues.names & words.NORMS:
            yield from (((channels,), (features,)) if images else ((features,), (channels,)))
        if images:
            yield from (conv, (channels,))
        yield from ((O, features), (features, O))
        if conv:
            yield conv
        yield from ((features, features), (features,), (channels,))
    elif clues.is_bias(name):
        if images:
            yield from ((O,), (channels,)) if clues.beside_weight else ((channels,), (O,))
        yield from (((O,), (features,)) if clues.beside_weight else ((features,), (O,)))
        yield (channels,)
    elif words.VECTORS.fullmatch(name):
        yield from (((channels,), (features,)) if images else ((features,), (channels,)))
        yield ()
    elif words.OTHERS.fullmatch(name):
        yield (O, features)
    elif words.GRIDS.fullmatch(name) and len(anchor) == _IMAGES:
        yield (anchor[0], *anchor[2:], 2)
    yield anchor
    if anchor:  # where the same shape does not do, a row of it seldom does
        yield from ((features, O), (O, features), (features,))
    yield ()
    if anchor:
        yield from (anchor[:-1], (*anchor[:-1], 1), (features, features))
    if len(anchor) > 2:
        yield from ((*anchor[:-2], features, O), conv, (channels,))
    if features % 2 == 0:
        yield from ((*anchor[:-1], features // 2), (features // 2,))
    yield (O,)
