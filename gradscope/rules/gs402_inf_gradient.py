"""A gradient is infinite: the op whose backward made the first Inf, and why.

What it finds
    The backward node that got finite gradients and gave an Inf which reached parameters: a square root
    or a logarithm at 0, a division by 0, an overflow.

Why it matters
    Anomaly mode looks for NaN only and passes an Inf. The next step makes the parameter infinite, the
    next forward NaN; clipping by the norm turns every gradient into 0 or NaN.

Example
    ```python
    import torch

    x = torch.tensor([0.0, 4.0], requires_grad=True)
    torch.sqrt(x).sum().backward()
    ```

Use instead
    ```python
    import torch

    x = torch.tensor([0.0, 4.0], requires_grad=True)
    torch.sqrt(x.clamp_min(1e-12)).sum().backward()
    ```

Limits
    As for GS401. Gradients that overflow under a GradScaler and are finite later are its ordinary work,
    and silent; while they go on they are a warning.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from gradscope.facts import Recording
from gradscope.finding import Finding, Severity
from gradscope.rules import rule
from gradscope.rules._births import born

_finding = partial(Finding, "GS402", "inf-gradient")


@rule("GS402", "inf-gradient", Severity.ERROR)
def inf_gradient(recording: Recording) -> Iterator[Finding]:
    """One finding for each op whose backward made an Inf that reached a leaf."""
    return born(recording, "inf", _finding)
