"""Regions that must not be looked into: compiled code, native fast paths, other threads.

An active function mode would make Dynamo inline it, and would switch off the fused inference kernels of
TransformerEncoder and MultiheadAttention, whose results differ in the last digit. There the mode is off,
and the region is one op.
"""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from gradscope.facts import CutKind
from gradscope.folds.flow import Severing
from gradscope.recorder.now import Now
from gradscope.recorder.patches import Patches
from gradscope.recorder.places import here
from gradscope.recorder.values import TensorValues, tensors_in

_FUSED = (nn.TransformerEncoder, nn.TransformerEncoderLayer, nn.MultiheadAttention)


def _called(name: str, call: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """Calls it: nobody asks how long it takes."""
    return call(*args, **kwargs)


class Regions:
    """Switches the mode off where it must be."""

    def __init__(
        self,
        now: Now,
        values: TensorValues,
        new_mode: Callable[[], Any],
        not_seen: Callable[[str], None],
    ) -> None:
        self._now = now
        self._values = values
        self._new_mode = new_mode
        self._not_seen = not_seen
        self.opaque_call: Callable[[str, Callable[..., Any], Any, Any], Any] = _called

    def install(self, patches: Patches) -> None:
        """Wraps torch.compile's callables, the fused modules' forward, and threads."""
        if "torch._dynamo.eval_frame" in sys.modules:
            self._install_compiled(patches)
        else:  # importing Dynamo costs a second: wait until the program asks for it
            compile_ = torch.compile
            region, installed = self, [False]

            @functools.wraps(compile_)
            def compile_watched(*args: Any, **kwargs: Any) -> Any:
                if not installed[0]:
                    installed[0] = True
                    region._install_compiled(patches)
                return compile_(*args, **kwargs)

            patches.replace(torch, "compile", compile_watched)
        for kind in _FUSED:
            patches.replace(kind, "forward", self._fused(kind.forward))
        self._install_threads(patches)

    def _install_compiled(self, patches: Patches) -> None:
        import torch._dynamo.eval_frame as eval_frame

        context = eval_frame._TorchDynamoContext
        wrap = context.__call__
        region = self

        def __call__(this: Any, fn: Any) -> Any:  # noqa: N807
            compiled = wrap(this, fn)
            if not callable(compiled) or isinstance(compiled, nn.Module) or isinstance(fn, type):
                return compiled

            @functools.wraps(compiled)
            def outside(*args: Any, **kwargs: Any) -> Any:
                if torch.compiler.is_compiling():
                    return compiled(*args, **kwargs)
                name = getattr(fn, "__qualname__", type(fn).__name__)
                region._not_seen(f"inside the compiled region {name}: it is one op here")
                with torch._C.DisableTorchFunction():
                    output = region.opaque_call("compiled " + name, compiled, args, kwargs)
                region._opaque("compiled " + name, (args, kwargs), output)
                return output

            return outside

        patches.replace(context, "__call__", __call__)

    def _opaque(self, op: str, inputs: Any, output: Any) -> None:
        try:
            cut = Severing(self._now.block.kind, self._now.block.loc) if self._now.block else None
            cut = cut or Severing(CutKind.NOT_DIFFERENTIABLE)
            self._values.opaque(op, tensors_in(inputs), output, here(3), cut)
        except Exception as error:  # noqa: BLE001  our bookkeeping must not reach the program
            self._now.fault("opaque region", error)

    def _fused(self, forward: Callable[..., Any]) -> Callable[..., Any]:
        region = self

        @functools.wraps(forward)
        def with_native_path(this: nn.Module, *args: Any, **kwargs: Any) -> Any:
            if this.training or torch.compiler.is_compiling():
                return forward(this, *args, **kwargs)
            tensors = [*this.parameters(), *tensors_in((args, kwargs))]
            if torch.is_grad_enabled() and any(t.requires_grad for t in tensors):
                return forward(this, *args, **kwargs)
            with torch._C.DisableTorchFunction():
                output = region.opaque_call(type(this).__name__, forward, (this, *args), kwargs)
            region._opaque(type(this).__name__, tensors, output)
            return output

        return with_native_path

    def _install_threads(self, patches: Patches) -> None:
        run = threading.Thread.run
        region = self

        def run_in_mode(this: threading.Thread) -> None:
            if type(this).__module__.startswith(("torch.", "tqdm.", "concurrent.futures.process")):
                run(this)
                return
            with region._new_mode():
                run(this)

        patches.replace(threading.Thread, "run", run_in_mode)
