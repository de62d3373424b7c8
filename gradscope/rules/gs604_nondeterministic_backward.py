"""Two backwards of one forward give different gradients.

What it finds
    A backward that draws random numbers, or that changes what it keeps: forward runs once, backward several
    times with the same incoming gradient, and the results differ by more than rounding.

Why it matters
    A gradient belongs to the forward that ran. Where backward draws its mask anew, the gradient is that of
    another forward: right on average at best, and never for this step. Training goes on, with noise that no
    seed of forward explains.

Example
    ```python
    import torch


    class Dropout(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, keep):
            ctx.keep = keep
            return x * (torch.rand_like(x) < keep)

        @staticmethod
        def backward(ctx, grad_output):
            return grad_output * (torch.rand_like(grad_output) < ctx.keep), None


    gradscope_inputs = {"Dropout": (torch.randn(16, 8), 0.5)}
    ```

Use instead
    ```python
    import torch


    class Dropout(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, keep):
            mask = torch.rand_like(x) < keep
            ctx.save_for_backward(mask)
            return x * mask

        @staticmethod
        def backward(ctx, grad_output):
            (mask,) = ctx.saved_tensors
            return grad_output * mask, None


    gradscope_inputs = {"Dropout": (torch.randn(16, 8), 0.5)}
    ```

Limits
    Sums that are added up in another order each time differ by their rounding: that is noted, and is no
    finding. Silent for a gradient that is declared approximate.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from gradscope.facts import Recording
from gradscope.facts.checks import CheckedFunction, Nondeterminism
from gradscope.finding import Finding, Location, Note, Related, Severity
from gradscope.rules import rule
from gradscope.rules._checked import backward_place, calls_in
from gradscope.rules._words import counted, listing

_finding = partial(Finding, "GS604", "nondeterministic-backward")
_DRAWING = frozenset(
    (
        "rand", "randn", "randint", "rand_like", "randn_like", "randint_like", "randperm", "random",
        "random_", "normal", "normal_", "uniform", "uniform_", "bernoulli", "bernoulli_",
        "multinomial", "poisson", "exponential_", "geometric_", "cauchy_", "log_normal_", "dropout",
        "alpha_dropout", "feature_dropout", "gumbel_softmax", "sample", "rsample", "choice", "shuffle",
        "standard_normal", "gauss",
    )
)  # fmt: skip


@rule("GS604", "nondeterministic-backward", Severity.WARNING)
def nondeterministic_backward(recording: Recording) -> Iterator[Finding]:
    """One finding for each function whose gradients change from backward to backward."""
    for checked in recording.checked:
        if checked.nondeterminism and checked.declared is None:
            yield _judged(recording, checked, checked.nondeterminism)


def _judged(recording: Recording, checked: CheckedFunction, facts: tuple[Nondeterminism, ...]) -> Finding:
    worst = max(facts, key=lambda fact: fact.difference)
    names = tuple(dict.fromkeys(fact.input_name for fact in facts))
    of = listing([f"`{name}`" for name in names])
    drawn = list(_draws(recording, checked, worst))
    return _finding(
        severity=Severity.WARNING,
        message=f"two backwards of one forward of `{checked.name}` give different gradients of {of}",
        location=backward_place(checked),
        label="draws random numbers" if worst.random else "gives another gradient each time",
        subjects=names,
        related=tuple(Related(where, "drawn anew here") for where in drawn),
        notes=(Note("measured", _measured(worst)),),
        evidence={
            "function": checked.name,
            "input": worst.input_name,
            "difference": worst.difference,
            "elements": worst.elements,
            "random": worst.random,
        },
        fix=_fix(worst),
    )


def _draws(recording: Recording, checked: CheckedFunction, fact: Nondeterminism) -> Iterator[Location]:
    """The line that was seen to draw; else those that look like it (NumPy's and Python's own)."""
    if fact.drawn_at is not None:
        yield fact.drawn_at
    elif fact.random:
        yield from (where for where, _ in calls_in(recording, checked.backward, _DRAWING))


def _measured(fact: Nondeterminism) -> str:
    which = f"{counted(fact.elements, 'element')} of the gradient of `{fact.input_name}`"
    seed = "; with the same seed they are equal" if fact.random else "; also with the same seed"
    verb = "differs" if fact.elements == 1 else "differ"
    return f"{which} {verb}, by {fact.difference:.2g} relative (2-norms){seed}"


def _fix(fact: Nondeterminism) -> str:
    if fact.random:
        return "draw in forward and keep what was drawn: `ctx.save_for_backward(mask)`"
    return "let backward change nothing that it keeps: copy before writing in place"
