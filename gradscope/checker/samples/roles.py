"""What a parameter is likely to be, told from its name, annotation, default and use: options in order."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

from gradscope.syntax.uses import Use

N, D, O = 4, 3, 5  # noqa: E741  rows, columns, and what a matrix maps the columns to
"""Sizes of the first tensors that are tried; all differ, so that a transpose cannot pass for none."""

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


@dataclass(frozen=True, slots=True)
class Option:
    """One value to try for a parameter. `what` is "float", "int", "bool" (tensors of `shape`), "value",
    "list" (two tensors of `shape`) or "left out".
    """

    what: str
    shape: tuple[int, ...] = ()
    value: Any = None
    high: int = D


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
        return cls(parameter.name, text, parameter.default, parameter.kind is parameter.KEYWORD_ONLY)

    @property
    def has_default(self) -> bool:
        """Whether it may be left out."""
        return self.default is not inspect.Parameter.empty


_WEIGHTS = re.compile(
    r"(w|weights?|kernels?|filters?|proj\w*|matrix|mat\d?|A|W)(_?\d)?|\w+_(weight|w|kernel)"
)
_BIASES = re.compile(r"(bias|shift|beta|offset)(_?\d)?|\w+_bias")
_VECTORS = re.compile(r"(gamma|scales?|gain|mean|var|std|running_\w+|gate|g|eta|loc|mu|alphas?)(_?\d)?")
_INDICES = re.compile(
    r"(index|idx|inds?|indices|labels?|ids?|tokens?|src|dst|segments?|segment_ids|batch|classes|"
    r"perm|permutation|order|pos|positions|neighbors|edges?)|\w+_(index|idx|ids?|indices|labels?)"
)
_TARGETS = re.compile(r"(targets?|y|y_true|gt|truth|ground_truth|classes)")
_SHAPES = re.compile(r"(shape|size|sizes|normalized_shape|output_size|dims)|\w+_shape")
_MASKS = re.compile(r"(mask|keep|valid|attn_mask)|\w+_mask|is_\w+_mask")
_INTS = re.compile(
    r"(dim|axis|n|k|m|num|size|count|groups?|strides?|paddings?|pad|dilations?|kernel_size|steps?|bits?|"
    r"nbits|levels|heads|chunks?|chunk_size|block_size|window\w*|order|degree|iters?|max_iter|repeats?|"
    r"num_bits|width|height|length|depth|offset)|n_\w+|num_\w+|\w+_num|\w+_(size|dim|bits|steps|len|length|width)"
)
_FLOATS = re.compile(
    r"(eps|epsilon|alpha|beta|gamma|slope|p|prob|rate|temperature|temp|tau|momentum|lambd?a?_?|lam|threshold|"
    r"thr|thresh|margin|delta|sigma|lr|decay|coeffs?|coef|factor|value|c|h|dt|scale|smooth\w*|clip|bound|"
    r"limit|strength|width|r0|power|exponent|radius|noise|weight_decay)|\w+_(slope|rate|prob|scale|eps|"
    r"factor|value|threshold|weight|coef|coeff|alpha)"
)
_LOWS = re.compile(r"(lo|low|min|minimum|lower|qmin|quant_min|vmin|amin|a_min)|min_\w+|\w+_min")
_HIGHS = re.compile(r"(hi|high|max|maximum|upper|qmax|quant_max|vmax|amax|a_max)|max_\w+|\w+_max")
_BOOLS = re.compile(
    r"(training|train|inplace|flag|causal|is_causal|normalize|normalise|keepdims?|affine|log|reverse|"
    r"transpose|symmetric|signed|verbose|deterministic|fast|exact)|(is|use|has|with|do|return)_\w+"
)
_LISTS = re.compile(r"(tensors|xs|inputs|params|parameters|args|arrays|weights|grads)")


@dataclass(frozen=True, slots=True)
class Clues:
    """What is known beside a parameter's own words: the shape `anchor` of the first tensor, whether this is
    it, how forward uses it, the strings it is compared with, and whether another one seems to be a weight.
    """

    anchor: tuple[int, ...]
    first: bool = False
    uses: frozenset[Use] = frozenset()
    texts: tuple[str, ...] = ()
    beside_weight: bool = False


def is_weight(name: str) -> bool:
    """Whether a parameter is called like a matrix of weights."""
    return _WEIGHTS.fullmatch(name) is not None


def options_of(parameter: Asked, clues: Clues) -> list[Option]:
    """What to try for a parameter, the likeliest first."""
    return list({repr(option): option for option in _options(parameter, clues)}.values())  # 1 is not True


def _options(parameter: Asked, clues: Clues) -> Iterator[Option]:
    name, annotation, default, uses = parameter.name, parameter.annotation, parameter.default, clues.uses
    if clues.texts:
        yield from (_value(text) for text in clues.texts)
        if isinstance(default, str):
            yield _value(default)
        return
    is_tensor = Use.TENSOR in uses or ("Tensor" in annotation and not _is_list(annotation))
    if parameter.has_default and (default is not None or not (is_tensor or _is_called_tensor(name))):
        yield Option("left out")
    if isinstance(default, bool):
        yield _value(not default)
        return
    if Use.FLAG in uses and not is_tensor:
        yield from (_value(True), _value(False))
    if Use.CALLED in uses:
        yield Option("function")
    if _is_list(annotation) or (not annotation and _LISTS.fullmatch(name)):
        yield Option("list", clues.anchor)
    scalar = _scalar(name, annotation, default, clues.anchor)
    if is_tensor:
        yield from _tensors(name, clues)
    elif scalar and (not clues.first or annotation or Use.NUMBER in uses):
        yield from scalar
        yield from _tensors(name, clues)
    elif annotation and annotation != "None":
        yield from scalar
    else:
        numbers = [_value(1), _value(0.5)]
        tensors = list(_tensors(name, clues))
        first, second = (numbers, tensors) if Use.KEPT in uses else (tensors, numbers)
        yield from chain.from_iterable(zip(first, second, strict=False))
        yield from (*first, *second, *scalar, _value(True))
    if parameter.has_default:
        yield Option("left out")
    elif not clues.first:
        yield _value(None)


def _is_called_tensor(name: str) -> bool:
    return any(kind.fullmatch(name) for kind in (_WEIGHTS, _BIASES, _VECTORS, _MASKS))


def _is_list(annotation: str) -> bool:
    return "Tensor" in annotation and any(word in annotation.lower() for word in ("list", "sequence", "[]"))


def _scalar(name: str, annotation: str, default: Any, anchor: tuple[int, ...]) -> list[Option]:
    """Numbers, flags, words and sizes for a parameter that seems to be none of the tensors."""
    is_shape = not annotation and _SHAPES.fullmatch(name) is not None
    if is_shape or "[int" in annotation or "Size" in annotation:
        return [_value(shape) for shape in (anchor[-1:], anchor, anchor[1:], (2, 2), (1, 1)) if shape]
    kind = annotation.replace("typing.", "").removeprefix("Optional[").rstrip("]").split(" | ")[0]
    if kind == "bool" or (not kind and _BOOLS.fullmatch(name)):
        return [_value(True), _value(False)]
    if kind in ("int", "SymInt"):
        return _ints(name)
    if kind in ("float", "number", "Scalar"):
        return _floats(name)
    if kind == "str":
        return [_value(text) for text in ("mean", "sum", "none", "relu")]
    if kind:
        return []
    lower, upper = _LOWS.fullmatch(name), _HIGHS.fullmatch(name)
    if lower or upper or _FLOATS.fullmatch(name):
        return _floats(name) + (_ints(name) if lower or upper else [])
    return _ints(name) if _INTS.fullmatch(name) else []


def _ints(name: str) -> list[Option]:
    if name in ("dim", "axis"):
        values: tuple[int, ...] = (-1, 0, 1)
    elif _LOWS.fullmatch(name):
        values = (-8, 0, -1)
    elif _HIGHS.fullmatch(name):
        values = (7, 1, 15)
    elif "pad" in name or name == "offset":
        values = (1, 0, 2)
    elif "bit" in name:
        values = (4, 8, 2)
    elif "group" in name:
        values = (1, 3, 2)
    elif name.startswith(("n_", "num_", "max_")) or name in ("n", "num", "size", "length"):
        values = (N, 6, 2, 1)
    elif name in ("stride", "dilation", "reduction"):
        values = (1, 2, 3)
    else:
        values = (2, 3, 1, N)
    return [_value(value) for value in values]


def _floats(name: str) -> list[Option]:
    if any(part in name for part in ("eps", "epsilon")):
        return [_value(1e-5)]
    if _LOWS.fullmatch(name):
        return [_value(-0.7)]
    if _HIGHS.fullmatch(name):
        return [_value(0.9)]
    if "slope" in name or name in ("p", "prob", "rate", "lr"):
        return [_value(0.3)]
    return [_value(0.7), _value(1.5)]


def _tensors(name: str, clues: Clues) -> Iterator[Option]:
    """Tensors of the shapes that go with the anchor."""
    anchor = clues.anchor
    is_index = _INDICES.fullmatch(name) is not None or Use.INDEX in clues.uses
    if clues.first and not is_index:
        yield Option("float", anchor)
        return
    if _MASKS.fullmatch(name):
        yield from (Option("bool", shape) for shape in (anchor, anchor[:-1], anchor[-1:]))
    if is_index:
        shapes = (anchor[:1], anchor[:-1], anchor, (anchor[0], 1) if anchor else (), (6,))
        yield from (Option("int", shape) for shape in dict.fromkeys(shapes))
    floats = [Option("float", shape) for shape in dict.fromkeys(_shapes(name, clues))]
    if _TARGETS.fullmatch(name):
        classes = [Option("int", shape) for shape in dict.fromkeys((anchor[:-1], anchor[:1]))]
        floats[1:1] = classes
    yield from floats


def _shapes(name: str, clues: Clues) -> Iterator[tuple[int, ...]]:
    anchor = clues.anchor
    features = anchor[-1] if anchor else 1
    channels = anchor[1] if len(anchor) > 2 else features
    conv = (O, channels, *(min(3, size) for size in anchor[2:])) if len(anchor) > 2 else ()
    images = len(anchor) > 3
    if is_weight(name):
        if images:
            yield from (conv, (channels,))
        yield from ((O, features), (features, O))
        if conv:
            yield conv
        yield from ((features, features), (features,), (channels,))
    elif _BIASES.fullmatch(name) or (name == "b" and clues.beside_weight):
        if images:
            yield from ((O,), (channels,))
        yield from (((O,), (features,)) if clues.beside_weight else ((features,), (O,)))
        yield (channels,)
    elif _VECTORS.fullmatch(name):
        yield from (((channels,), (features,)) if images else ((features,), (channels,)))
        yield ()
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


def _value(value: Any) -> Option:
    return Option("value", value=value)
