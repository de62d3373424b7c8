"""Where the inputs of a module or function come from, and whether they fit its signature."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import torch
from torch._subclasses.fake_tensor import unset_fake_temporarily

from gradscope.errors import InputError, did_you_mean
from gradscope.loader.expressions import describe, read_input
from gradscope.loader.options import Options

HOOK = "gradscope_inputs"
"""The function that a module may define to give its own inputs."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """Arguments of one call. `source` says where they came from, for messages: "--input 'randn(8)'"."""

    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""

    def copies(self) -> Inputs:
        """The same values in new tensors, so that a pass that changes its input does not change the next.

        They are leaves, which require a gradient where these do.
        """
        # No detach: an alias of a tensor that exists would count as one of the program's.
        with torch.no_grad():
            return self.changed(lambda tensor: tensor.clone().requires_grad_(tensor.requires_grad))

    def placed(self, device: torch.device, dtype: torch.dtype | None) -> Inputs:
        """On `device`, and floating-point tensors in `dtype` where one is given."""

        def place(tensor: torch.Tensor) -> torch.Tensor:
            to = dtype if dtype is not None and tensor.is_floating_point() else tensor.dtype
            return tensor.detach().to(device=device, dtype=to).requires_grad_(tensor.requires_grad)

        return self.changed(place)

    def changed(self, change: Callable[[torch.Tensor], torch.Tensor]) -> Inputs:
        """The same arguments, with every tensor among them changed."""
        # Not the program's doing: the recorder must not take the detach for a cut of its value's way.
        with torch._C.DisableTorchFunction():
            args = tuple(_mapped(change, value) for value in self.args)
            kwargs = {name: _mapped(change, value) for name, value in self.kwargs.items()}
        return Inputs(args, kwargs, self.source)

    def tensors(self) -> list[torch.Tensor]:
        """Every tensor among the inputs, in order."""
        found: list[torch.Tensor] = []

        def see(tensor: torch.Tensor) -> torch.Tensor:
            found.append(tensor)
            return tensor

        _mapped(see, [*self.args, *self.kwargs.values()])
        return found

    def __str__(self) -> str:
        parts = [describe(value) for value in self.args]
        parts += [f"{name}={describe(value)}" for name, value in self.kwargs.items()]
        return ", ".join(parts) or "no arguments"


def _mapped(change: Callable[[torch.Tensor], torch.Tensor], value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return change(value)
    if isinstance(value, list):
        return [_mapped(change, part) for part in value]
    if type(value) is tuple:
        return tuple(_mapped(change, part) for part in value)
    if isinstance(value, dict):
        return {key: _mapped(change, part) for key, part in value.items()}
    return value


def given_inputs(options: Options, module: ModuleType) -> Inputs | None:
    """What was asked for: `--input`, `--inputs`, the module's `gradscope_inputs()`; None for nothing."""
    asked = asked_inputs(options.inputs, options.inputs_file)
    if asked is not None:
        return asked
    hook = getattr(module, HOOK, None)
    if callable(hook):
        found = hook()
        if found is None:
            raise InputError(
                f"{HOOK}() of {module.__name__} returned None; it must return a tensor, tuple or dict"
            )
        return _arguments(found, f"{HOOK}()")
    return None


def asked_inputs(expressions: Sequence[str], file: str | None) -> Inputs | None:
    """What `--input` or `--inputs` gives, None where there is neither; InputError where it cannot be read."""
    if expressions:
        return from_expressions(expressions)
    if file is not None:
        return _arguments(_read_file(file), f"--inputs {file}")
    return None


def from_expressions(texts: Sequence[str]) -> Inputs:
    """Positional and named inputs, in the order typed; InputError for one that cannot be read."""
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    with torch._C.DisableTorchFunction():
        read = [read_input(text) for text in texts]
    for given in read:
        if given.name is None:
            args.append(given.value)
        elif given.name in kwargs:
            raise InputError(f"--input {given.name}=... is given twice")
        else:
            kwargs[given.name] = given.value
    return Inputs(tuple(args), kwargs, " ".join(f"--input '{text}'" for text in texts))


def _arguments(value: Any, source: str) -> Inputs:
    if isinstance(value, Mapping):
        if not all(isinstance(name, str) for name in value):
            raise InputError(f"the keys of {source} must be the names of arguments")
        return Inputs((), dict(value), source)
    return Inputs(tuple(value) if isinstance(value, tuple | list) else (value,), {}, source)


def _read_file(path: str) -> Any:
    if not os.path.isfile(path):
        raise InputError(f"no such file: {path}  (--inputs)")
    # The file's tensors are real whatever mode is on; the caller places them.
    with unset_fake_temporarily():
        return _read_safetensors(path) if path.endswith(".safetensors") else _read_saved(path)


def _read_saved(path: str) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001  torch's own reason is the message
        reason = str(error).strip().partition("\n")[0]
        raise InputError(
            f"{path} cannot be loaded with weights_only=True: {reason}",
            try_next="save only tensors, in a tuple or a dict: torch.save({'x': x}, 'batch.pt')",
        ) from None


def _read_safetensors(path: str) -> Any:
    try:
        from safetensors.torch import load_file
    except ImportError:
        raise InputError(
            "reading .safetensors needs a package", try_next="python -m pip install safetensors"
        ) from None
    try:
        return load_file(path)
    except Exception as error:  # noqa: BLE001  safetensors raises a class of its own
        raise InputError(f"{path} is not a safetensors file: {error}") from None


def check_fits(name: str, function: Callable[..., Any], inputs: Inputs) -> None:
    """Raises InputError where `inputs` cannot be the arguments of `function`, and says what it takes."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return  # written in C: the call itself will tell
    try:
        signature.bind(*inputs.args, **inputs.kwargs)
    except TypeError as error:
        unknown = [key for key in inputs.kwargs if key not in signature.parameters]
        guess = did_you_mean(unknown[0], signature.parameters) if unknown else ""
        missing = [name for name in required(signature)[len(inputs.args) :] if name not in inputs.kwargs]
        raise InputError(
            f"the inputs do not fit {name}{signature_text(signature)}: {error}{guess}",
            where=(f"given  {inputs.source or 'nothing'}",),
            try_next=" ".join(["add", *(f"--input '{name}=...'" for name in missing)]) if missing else (),
        ) from None


def signature_text(signature: inspect.Signature) -> str:
    """`(x, mask=None)`: the parameters without their annotations."""
    bare = [parameter.replace(annotation=parameter.empty) for parameter in signature.parameters.values()]
    return str(signature.replace(parameters=bare, return_annotation=signature.empty))


def required(signature: inspect.Signature) -> list[str]:
    """The names of the parameters that must be given."""
    starred = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    parameters = signature.parameters.values()
    return [p.name for p in parameters if p.default is p.empty and p.kind not in starred]
