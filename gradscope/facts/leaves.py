"""Parameters and other leaves, the modules and optimizers around them, and what is asked of their `.grad`."""

from __future__ import annotations

from dataclasses import dataclass

from gradscope.finding import Location


@dataclass(frozen=True, slots=True)
class GradientStats:
    """What was seen of one leaf's gradient over the run.

    `backwards` counts the backward passes that gave it one, `zero_backwards` those in which every
    element was exactly 0. `norm` is the 2-norm in the first backward, `last_norm` in the last;
    `max_abs`, `zero_share` (0..1), `nan` and `inf` (element counts) belong to the first backward, and
    `nonfinite_backwards` counts those with any NaN or Inf.
    """

    backwards: int = 0
    zero_backwards: int = 0
    norm: float = 0.0
    last_norm: float = 0.0
    smallest_norm: float = 0.0
    largest_norm: float = 0.0
    max_abs: float = 0.0
    zero_share: float = 0.0
    nan: int = 0
    inf: int = 0
    nonfinite_backwards: int = 0


@dataclass(frozen=True, slots=True)
class Leaf:
    """A tensor that gradients are accumulated into: a parameter of a module, or one the program made.

    `name` is unique in the recording: the dotted parameter name (with the root module's name before it
    when there are several roots), or the variable's name. `root` is the root module it is registered
    in, None where it is in none; `root_called` says that this root's forward ran under grad mode in a
    step that had a backward. `stored_in` names the attribute that holds it where it is not registered
    ("Net.heads['age']"), `stored_at` the line that assigned that attribute; `stored_result` is the op whose
    result is kept there in place of the leaf itself (`Parameter(x) * 0.1`). `made_at` is where the
    tensor or the module that owns it was created, `registered_at` where it was registered.
    `optimizers` indexes `Recording.optimizers`. `zero_at_start` says that all its values were exactly
    0 before the first backward. `replaced_at` is the line that replaced it in its module.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    device: str
    is_parameter: bool
    requires_grad: bool
    root: str | None = None
    module: str | None = None
    module_class: str | None = None
    module_called: bool = False
    unused_module: str | None = None  # the outermost module around it of which no part was called
    root_called: bool = False
    root_training: bool = True
    called_inside: str | None = None  # the root whose forward called the module that owns it
    alive: bool = True
    reached: bool = False  # in the graph of some backward, also of one that raised
    used: bool = False  # an op took it in
    made_at: Location | None = None
    registered_at: Location | None = None
    stored_in: str | None = None
    stored_at: Location | None = None
    stored_result: str | None = None
    replaced_at: Location | None = None
    optimizers: tuple[int, ...] = ()
    zero_at_start: bool = False
    gradient: GradientStats | None = None

    @property
    def numel(self) -> int:
        """How many elements."""
        count = 1
        for size in self.shape:
            count *= size
        return count


@dataclass(frozen=True, slots=True)
class ModuleFact:
    """One module of a root module's tree, in registration order. `path` is "" for the root itself.

    `registered_at` is the line that made it a child of its parent, None for the root.
    """

    root: str
    path: str
    class_name: str
    called: int = 0
    training: bool = True
    registered_at: Location | None = None


@dataclass(frozen=True, slots=True)
class OptimizerFact:
    """One optimizer: its class, the line that constructed it, the leaves it owns now, its steps.

    `orphans` names owned leaves (or describes them: "tensor (64, 32)") that no backward gave a gradient
    and that are registered in no root module that ran: what a stale optimizer is left with.
    """

    class_name: str
    location: Location | None
    leaves: tuple[str, ...]
    orphans: tuple[str, ...] = ()
    steps: int = 0


@dataclass(frozen=True, slots=True)
class Rebinding:
    """A statement that gave a leaf's name to a tensor computed from it (`w = w - lr * w.grad`).

    `read_at` is the later `.grad` read of the new, non-leaf tensor; `optimizer_at` the optimizer that
    refused it ("can't optimize a non-leaf Tensor"); `leaf_lost` says that nothing holds the leaf any more.
    """

    location: Location | None
    name: str
    op: str
    read_at: Location | None = None
    optimizer_at: Location | None = None
    leaf_lost: bool = False
    leaf_had_gradient: bool = False
    count: int = 1
    ended_program: bool = False


@dataclass(frozen=True, slots=True)
class NonleafGradRead:
    """A `.grad` read of a tensor that is not a leaf and was not asked to retain its gradient."""

    location: Location | None
    name: str | None
    made_by: str | None
    made_at: Location | None
    count: int = 1
    ended_program: bool = False
