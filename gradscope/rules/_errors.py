"""Errors of torch about gradients that are no finding but deserve a plain word."""

from __future__ import annotations

import os

from gradscope.facts import Recording
from gradscope.rules._source import snippet
from gradscope.rules.gs101_no_graph import differentiated

_WORDS = (
    (
        "grad can be implicitly created only for scalar outputs",
        "backward() starts from one number, and {name} is a tensor: reduce it first ({name}.sum() or "
        "{name}.mean()), or give the gradient to start with ({name}.backward(torch.ones_like({name})))",
    ),
    (
        "Can't call numpy() on Tensor that requires grad",
        "NumPy cannot carry a gradient: .detach().cpu().numpy() is right for printing and plotting; on the "
        "way to a loss it would stop the gradient, so stay in torch there",
    ),
    (
        "appears to not have been used in the graph",
        "what is differentiated does not depend on that input: look at where the input is used, or pass "
        "allow_unused=True, which gives None for it",
    ),
    (
        "optimizer got an empty parameter list",
        "the model registers no parameter (layers in a plain list or dict are not seen: nn.ModuleList, "
        "nn.ModuleDict), or the generator that parameters() gave was already used up",
    ),
    (
        "you can only change requires_grad flags of leaf variables",
        "this tensor is the result of an op: use .detach() where it is to be a constant, or freeze the "
        "leaves before they are used",
    ),
    (
        "support the deepcopy protocol",
        "copy.deepcopy met a tensor that carries a graph: keep .detach() of it in the object that is copied",
    ),
    (
        "Inference tensors cannot be saved for backward",
        "this tensor was made under torch.inference_mode(): use torch.no_grad() there, or .clone() it",
    ),
    (
        "returned an incorrect number of gradients",
        "backward of a custom Function returns one gradient for each input of forward, None for those that "
        "need none",
    ),
    (
        "Only Tensors of floating point and complex dtype can require gradients",
        "integers have no derivative: make the tensor with dtype=torch.float32, or convert it with .float() "
        "before requires_grad_()",
    ),
)


def explain_error(recording: Recording) -> str | None:
    """A sentence about the exception that ended the program, with its line; None for any other error."""
    error = recording.program.error
    if error is None:
        return None
    words = next((text for fragment, text in _WORDS if fragment in error.message), None)
    if words is None:
        return None
    location = error.frames[-1] if error.frames else None
    name = differentiated(recording, location) if snippet(recording, location) else None
    where = f"{os.path.basename(location.path)}:{location.line}: " if location else ""
    return where + words.format(name=name or "y")
