"""Hand-made reports: what a trace of small, ordinary programs would hand to a reporter."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from gradscope.facts import (
    Backward,
    Change,
    GradientStats,
    InplaceConflict,
    Leaf,
    ModuleFact,
    OptimizerFact,
    ProgramEnd,
    ProgramError,
    Recording,
)
from gradscope.finding import Finding, Location, Note, Related, Severity
from gradscope.report import Report

HOME = "/home/ada/project"
LIBRARY = "/usr/lib/python3/site-packages/flows/layers.py"

Sample = Callable[[], Report]


class Source:
    """A source file of a sample: its lines, and where a piece of text stands in them."""

    def __init__(self, path: str, text: str, first_line: int = 1) -> None:
        self.path = path if path.startswith(("/", "<")) else f"{HOME}/{path}"
        self.lines = ("",) * (first_line - 1) + tuple(text.strip("\n").split("\n"))

    def at(
        self, piece: str, function: str | None = None, module: str | None = None, *, within: str = ""
    ) -> Location:
        """The place of `piece`, which must stand once in the lines that contain `within`."""
        found = [i for i, line in enumerate(self.lines) if piece in line and within in line]
        assert len(found) == 1, (piece, found)
        column = self.lines[found[0]].index(piece) + 1
        line = found[0] + 1
        return Location(self.path, line, column, line, column + len(piece), function, module)


def sources(*files: Source) -> dict[str, tuple[str, ...]]:
    return {file.path: file.lines for file in files}


def report(recording: Recording, *findings: Finding, target: str = "train.py", **more: object) -> Report:
    return Report("trace", target, findings, recording, **more)  # type: ignore[arg-type]


def stats(
    norm: float, *, largest: float | None = None, zero: float = 0.0, backwards: int = 1
) -> GradientStats:
    return GradientStats(
        backwards=backwards,
        norm=norm,
        last_norm=norm * 0.8,
        smallest_norm=norm * 0.7,
        largest_norm=norm * 1.1,
        max_abs=norm / 8 if largest is None else largest,
        zero_share=zero,
    )


def parameter(
    name: str,
    shape: Sequence[int],
    gradient: GradientStats | None,
    *,
    root: str | None = "Net",
    module_class: str = "Linear",
    trains: bool = True,
    called: bool = True,
    optimizers: tuple[int, ...] = (0,),
) -> Leaf:
    return Leaf(
        name=name,
        shape=tuple(shape),
        dtype="float32",
        device="cpu",
        is_parameter=True,
        requires_grad=trains,
        root=root,
        module=name.rpartition(".")[0],
        module_class=module_class,
        module_called=called,
        root_called=called,
        optimizers=optimizers,
        gradient=gradient,
    )


def linear(name: str, sizes: tuple[int, int], norm: float | None, **more: object) -> list[Leaf]:
    inside, outside = sizes
    gradients = (None, None) if norm is None else (stats(norm), stats(norm / 5))
    return [
        parameter(f"{name}.weight", (outside, inside), gradients[0], **more),  # type: ignore[arg-type]
        parameter(f"{name}.bias", (outside,), gradients[1], **more),  # type: ignore[arg-type]
    ]


# ---------------------------------------------------------------- a cut

_SMOOTH = Source(
    "train.py",
    """
class SmoothingNet(nn.Module):
    def forward(self, x):
        h = self.encoder(x)
        h = torch.from_numpy(smooth(h.detach().numpy()))
        return self.head(h)
""",
    first_line=33,
)


def cut() -> Report:
    """The value goes on through NumPy, the gradient does not."""
    where = "SmoothingNet.forward"
    names = tuple(f"encoder.{i}.{kind}" for i in (0, 2, 4) for kind in ("weight", "bias"))
    finding = Finding(
        "GS102",
        "severed-gradient",
        Severity.ERROR,
        "encoder.* (6 parameters) gets no gradient: it stops at detach()",
        _SMOOTH.at("h.detach()", where, ""),
        label="the gradient stops here",
        subjects=names,
        related=(
            Related(
                _SMOOTH.at("torch.from_numpy(smooth(h.detach().numpy()))", where, ""),
                "the value goes on from here",
            ),
        ),
        notes=(
            Note(
                "path of the value",
                "encoder.0.weight (35) -> linear -> detach (36) -> numpy -> from_numpy -> linear (37)"
                " -> mse_loss (52) -> backward (53)",
            ),
        ),
        evidence={"cuts": ["detach"], "op": "detach", "elements": 9_504},
        fix="stay in torch: smooth() can be a conv1d; or, if this stop is meant, freeze the encoder"
        " (requires_grad_(False)) so that the optimizer leaves it alone",
        count=20,
    )
    leaves = [
        *linear("encoder.0", (16, 64), None),
        *linear("encoder.2", (64, 64), None),
        *linear("encoder.4", (64, 64), None),
        *linear("head", (64, 1), 0.031),
    ]
    recording = Recording(
        torch_version="2.13.0",
        ops=800,
        steps=20,
        backward_passes=20,
        backwards=(
            Backward(Location(_SMOOTH.path, 53, 5), "backward", 20, 6, 2, 1.2083, 0.9817, root="loss"),
        ),
        modules=modules("Net", "SmoothingNet", {"encoder": "Sequential", "head": "Linear"}),
        leaves=tuple(leaves),
        optimizers=(
            OptimizerFact(
                "Adam", Location(_SMOOTH.path, 45, 13), tuple(leaf.name for leaf in leaves), steps=20
            ),
        ),
        sources=sources(_SMOOTH),
    )
    return report(recording, finding)


def modules(root: str, class_name: str, paths: dict[str, str]) -> tuple[ModuleFact, ...]:
    return (
        ModuleFact(root, "", class_name, 1),
        *(ModuleFact(root, path, name, 1) for path, name in paths.items()),
    )


# ---------------------------------------------------------------- an in-place conflict

_ATTENTION = Source(
    "model.py",
    """
        att = (q @ k.transpose(-2, -1)) / math.sqrt(d)
        att = F.softmax(att, dim=-1)
        att *= 0.5
        return att @ v
""",
    first_line=59,
)


def inplace() -> Report:
    """An in-place change of a saved result: torch raised, and a finding explains it."""
    where, module = "CausalSelfAttention.forward", "transformer.h.0.attn"
    saved = _ATTENTION.at("F.softmax(att, dim=-1)", where, module)
    changed = _ATTENTION.at("att *= 0.5", where, module)
    backward = Location(f"{HOME}/train.py", 98, 5, 98, 20, "main")
    finding = Finding(
        "GS201",
        "inplace-saved",
        Severity.ERROR,
        "`att` was changed after softmax saved it for backward",
        changed,
        label="changed here (version 1), before backward at train.py:98",
        subjects=("att",),
        related=(Related(saved, "SoftmaxBackward0 saved its result here (version 0)"),),
        evidence={"node": "SoftmaxBackward0", "version": 1, "expected_version": 0},
        fix="att = att * 0.5",
        count=4,
    )
    text = (
        "one of the variables needed for gradient computation has been modified by an inplace operation:"
        " [torch.FloatTensor [8, 4, 32, 32]], which is output 0 of SoftmaxBackward0, is at version 1;"
        " expected version 0 instead."
    )
    frames = f'Traceback (most recent call last):\n  File "{HOME}/train.py", line 98, in main\n'
    conflict = InplaceConflict(
        "SoftmaxBackward0",
        "result",
        saved,
        (8, 4, 32, 32),
        "float32",
        1,
        0,
        (Change("mul_", changed, 1),),
        backward,
        "att",
        ended_program=True,
    )
    recording = Recording(
        ProgramEnd(1, ProgramError("RuntimeError", text, (backward,), f"{frames}RuntimeError: {text}\n")),
        torch_version="2.13.0",
        backward_passes=1,
        backwards=(Backward(backward, "backward", 1, 214, 0, 4.6052, 4.6052, root="loss"),),
        inplace_conflicts=(conflict,),
        sources=sources(_ATTENTION),
    )
    return report(recording, finding)


# ---------------------------------------------------------------- the birth of a NaN

_LOSSES = Source(
    "losses.py",
    """
def pairwise_distance(x):
    gram = torch.matmul(x, x.T)
    square = gram.diagonal()[:, None] - 2 * gram + gram.diagonal()
    sq = square.clamp(min=0)
    d = torch.sqrt(sq)
    mask = 1 - torch.eye(len(x))
    return (d * mask).sum()
""",
    first_line=13,
)


def nan_birth() -> Report:
    """sqrt at 0 meets a masked gradient: 0 / 0 in the backward, with another finding explained by it."""
    where = "pairwise_distance"
    leaves = [
        *linear("encoder.0", (32, 64), math.nan),
        *linear("encoder.2", (64, 16), math.nan),
        *linear("head", (16, 4), 0.04),
    ]
    names = tuple(leaf.name for leaf in leaves[:4])
    spread = Finding(
        "GS403",
        "nonfinite-forward",
        Severity.ERROR,
        "the loss is NaN from step 2 on",
        Location(f"{HOME}/train.py", 40, 12, 40, 30),
    )
    finding = Finding(
        "GS401",
        "nan-gradient",
        Severity.ERROR,
        "4 of 6 parameters have NaN gradients",
        _LOSSES.at("torch.sqrt(sq)", where),
        label="first NaN of this backward: SqrtBackward0, grad / (2 * result)",
        subjects=names,
        related=(
            Related(_LOSSES.at("d * mask", where), "the gradient that comes back is 0 where the mask is"),
        ),
        notes=(
            Note(
                "because",
                "result is 0 at 32 of 1,024 places (the diagonal: [0, 0], [1, 1], ...)\n"
                "incoming gradient there is 0 (masked at line 19)   0 / 0 = NaN",
            ),
            Note("spread", "sqrt (17) -> clamp (16) -> matmul (14) -> encoder.2.weight -> encoder.0.weight"),
            Note(
                "not it", "exp (line 12) also overflows, but its gradient is masked and reaches no parameter"
            ),
        ),
        evidence={"smallest": 0.0, "incoming": math.nan, "values": [math.inf, -math.inf, 1.5]},
        fix="torch.sqrt(sq.clamp_min(1e-12)), or torch.cdist, whose gradient at 0 is 0",
        consequences=(spread,),
    )
    recording = Recording(
        torch_version="2.13.0",
        steps=3,
        backward_passes=3,
        backwards=(
            Backward(Location(f"{HOME}/train.py", 41, 5), "backward", 3, 31, 6, 12.9, math.nan, root="loss"),
        ),
        modules=modules("Net", "Net", {"encoder": "Sequential", "head": "Linear"}),
        leaves=tuple(_broken(leaf) for leaf in leaves),
        optimizers=(OptimizerFact("SGD", None, tuple(leaf.name for leaf in leaves), steps=3),),
        sources=sources(_LOSSES),
    )
    return report(recording, finding)


def _broken(leaf: Leaf) -> Leaf:
    """The leaf with every element of its gradient NaN, where its norm is."""
    from dataclasses import replace

    if leaf.gradient is None or not math.isnan(leaf.gradient.norm):
        return leaf
    return replace(leaf, gradient=replace(leaf.gradient, nan=leaf.numel, nonfinite_backwards=3))
