"""A float64 copy of a module that can be evaluated again and again from the same state."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter
from torch.utils import _pytree as pytree

from gradscope.checker.models.loss import Loss
from gradscope.checker.models.precision import Lifted
from gradscope.checker.models.stops import Stops
from gradscope.checker.point import Point, Sample, is_differentiable
from gradscope.checker.subject import Subject
from gradscope.checker.subjects.unwrapping import read_signature
from gradscope.facts.checks import SubjectKind
from gradscope.loader.generators import seeded

INPUT = "input "
"""What the name of an input begins with where it stands beside those of parameters."""
_NEAR = 1e-2


class ModelCopy:
    """`parameters` and `inputs` are the base values by name, in float64, on the module's own device.

    The parameters lie near the module's own, 1% of their size away at random: a layer that was initialised
    to 0, or a bias that puts a ReLU on its kink, would hide what is to be seen. The module that was given
    is not touched: neither parameters, buffers, attributes nor training mode. With a `loss`, what is
    evaluated is the loss of what the module returns.
    """

    def __init__(self, module: nn.Module, sample: Sample, loss: Loss | None = None) -> None:
        self.module = _copied(module)
        self._loss = loss
        point = Point.of(module_subject(module), sample)
        self._spec, self._leaves = point.spec, self._on_device(point.leaves)
        self.forwards = 0
        self.gives_leaves = False
        self.stops = Stops()
        self.lifted = Lifted()
        self._state = _State(self.module)
        self._materialise()
        self.own = {
            name: parameter
            for name, parameter in self.module.named_parameters()
            if parameter.requires_grad and is_differentiable(parameter)
        }
        self._places = {INPUT + point.names[index]: index for index in point.active}
        self.inputs = {name: self._leaves[index] for name, index in self._places.items()}
        generator = torch.Generator().manual_seed(0)
        self.sizes = _sizes(self.own)
        self.parameters = {
            name: own.detach() + _NEAR * self.sizes[name] * gaussian(own, generator)
            for name, own in self.own.items()
        }

    @property
    def base(self) -> dict[str, Tensor]:
        """All base values by name: parameters, then inputs."""
        return {**self.parameters, **self.inputs}

    def leave_inputs(self) -> None:
        """Differentiates parameters alone."""
        self._places.clear()
        self.inputs.clear()

    def stay(self) -> None:
        """Evaluates at the module's own parameters, not near them."""
        self.parameters = {name: own.detach().clone() for name, own in self._own_values.items()}

    def run(self, moved: Mapping[str, Tensor], first: bool = False) -> tuple[Any, dict[str, Tensor]]:
        """The output (or its loss) with its graph where `moved` replaces base values, and the leaves by name.

        The first evaluation notes the values that are taken out of the graph; the others are given them.
        """
        self.forwards += 1
        self._state.restore()
        leaves: dict[str, Tensor] = {}
        with torch.no_grad():
            for name, own in self.own.items():
                own.copy_(moved.get(name, self.parameters[name]))
                own.grad = None
                leaves[name] = own
        arguments = [_fresh(value) for value in self._leaves]
        for name, index in self._places.items():
            leaf = moved.get(name, self.inputs[name]).detach().clone().requires_grad_()
            leaves[name] = leaf
            arguments[index] = leaf
        with torch.enable_grad():
            # A clone is no leaf, so the module may change it in place; some insist on a leaf.
            for index in () if self.gives_leaves else self._places.values():
                arguments[index] = arguments[index].clone()
            args, kwargs = pytree.tree_unflatten(arguments, self._spec)
            stops = self.stops.noting() if first else self.stops.giving()
            self.lifted.is_looking = first
            lifted = self.lifted if first or self.lifted.is_needed else nullcontext()
            with seeded(), _float64_by_default(), lifted, stops:
                output = self.module(*args, **kwargs)
                # inside: a loss may detach, draw random numbers and make tensors, as a module may
                return (output if self._loss is None else self._loss.of(output, args)), leaves

    def _on_device(self, leaves: Sequence[Any]) -> list[Any]:
        device = next((p.device for p in self.module.parameters()), torch.device("cpu"))
        return [value.to(device) if isinstance(value, Tensor) else value for value in leaves]

    def _materialise(self) -> None:
        """Lazy parameters get their shapes from one forward, which counts for nothing else."""
        if any(isinstance(parameter, UninitializedParameter) for parameter in self.module.parameters()):
            args, kwargs = pytree.tree_unflatten([_fresh(value) for value in self._leaves], self._spec)
            with torch.no_grad(), seeded(), _float64_by_default():
                self.module(*args, **kwargs)
            self._state = _State(self.module)
        self._own_values = {name: p.detach().clone() for name, p in self.module.named_parameters()}


def module_subject(module: nn.Module) -> Subject:
    """A module as a subject: called as it is, with the signature of its forward."""
    return Subject(type(module).__name__, SubjectKind.MODULE, module, read_signature(module.forward))


def gaussian(like: Tensor, generator: torch.Generator) -> Tensor:
    """Standard normal numbers of a tensor's shape, dtype and device, from a CPU generator."""
    return torch.randn(like.shape, generator=generator, dtype=like.dtype).to(like.device)


def _sizes(parameters: Mapping[str, Tensor]) -> dict[str, float]:
    """The root mean square of each; where that is 0, or far below the others, what is usual in the model."""
    own = {
        name: float(tensor.detach().abs().square().mean().sqrt()) if tensor.numel() else 0.0
        for name, tensor in parameters.items()
    }
    known = sorted(size for size in own.values() if 0.0 < size < float("inf"))
    usual = known[len(known) // 2] if known else 1.0
    return {name: size if size > 1e-3 * usual else min(usual, 0.1) for name, size in own.items()}


def _copied(module: nn.Module) -> nn.Module:
    """A deep copy in float64; tensors and generators that cannot be copied deeply are copied flat."""
    module = getattr(module, "_orig_mod", module)  # torch.compile's wrapper: its module is the model
    memo: dict[int, Any] = {}
    for part in module.modules():
        for value in vars(part).values():
            if isinstance(value, Tensor) and not value.is_leaf:
                memo[id(value)] = value.detach().clone()
    twin = copy.deepcopy(module, memo)
    for part in twin.modules():
        for parameter in part._parameters.values():
            if parameter is not None:
                parameter.grad = None
                parameter.data = _wide(parameter.data)
        for name, buffer in part._buffers.items():
            if buffer is not None:
                part._buffers[name] = _wide(buffer)
        for name, value in vars(part).items():
            if type(value) is Tensor:
                vars(part)[name] = _wide(value.detach())
        _hold_power_iteration(part)
    return twin


def _hold_power_iteration(part: nn.Module) -> None:
    """Spectral norm takes its vectors for constants in backward, and moves them in a training forward."""
    if type(part).__name__ == "_SpectralNorm":
        part.training = False
    for hook in part._forward_pre_hooks.values():
        if type(hook).__name__ == "SpectralNorm":
            hook.n_power_iterations = 0  # type: ignore[attr-defined]  # torch.nn.utils.spectral_norm's own


def _wide(value: Tensor) -> Tensor:
    if not is_differentiable(value):
        return value
    return value.to(torch.complex128 if value.is_complex() else torch.float64)


def _fresh(value: Any) -> Any:
    return value.detach().clone() if isinstance(value, Tensor) else value


@contextmanager
def _float64_by_default() -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


class _State:
    """What a forward may leave behind in a module: buffers, attributes, generators."""

    def __init__(self, module: nn.Module) -> None:
        self._attributes = [
            (part, {name: _held(value) for name, value in vars(part).items() if name not in _OWN})
            for part in module.modules()
        ]
        self._changing = [
            {name for name, value in attributes.items() if value is not vars(part)[name]}
            for part, attributes in self._attributes
        ]
        self._buffers = [(part, dict(part._buffers), _clones(part._buffers)) for part in module.modules()]

    def restore(self) -> None:
        """Puts everything back to where it was when this was made."""
        with torch.no_grad():
            for part, buffers, values in self._buffers:
                part._buffers.clear()
                part._buffers.update(buffers)
                for buffer, value in values:
                    buffer.copy_(value)
        for (part, attributes), changing in zip(self._attributes, self._changing, strict=True):
            own = vars(part)
            for name in own.keys() - attributes.keys() - _OWN:
                del own[name]
            for name, value in attributes.items():
                if name in changing:
                    own[name] = _held(value)
                elif own.get(name, _NOTHING) is not value:
                    own[name] = value


_NOTHING = object()
_OWN = frozenset({"_parameters", "_buffers", "_modules"})


def _held(value: Any) -> Any:
    """A copy of what a forward could change in place, as far as it is plain."""
    if isinstance(value, Tensor):
        return value.detach().clone() if type(value) is Tensor else value
    if isinstance(value, torch.Generator):
        return value.clone_state()
    if type(value) in (list, dict, set):
        return value.copy()
    return value


def _clones(buffers: Mapping[str, Tensor | None]) -> list[tuple[Tensor, Tensor]]:
    return [(buffer, buffer.detach().clone()) for buffer in buffers.values() if buffer is not None]
