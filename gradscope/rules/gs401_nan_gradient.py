"""A gradient is NaN: the op whose backward made the first one, and why.

What it finds
    The backward node that got finite gradients and gave a NaN (or an Inf that became NaN) which
    reached parameters; the values that made it; the way it spread; and other non-finite gradients of
    the same backward that were masked and harmed nobody.

Why it matters
    After the next step every parameter that it reached is NaN. The loss shows it one step later, and
    anomaly mode names the op after the one that made it.

Example
    ```python
    import torch

    x = torch.tensor([0.0, 3.0], requires_grad=True)
    length = torch.sqrt(x * x)
    (length * torch.tensor([0.0, 1.0])).sum().backward()
    ```

Use instead
    ```python
    import torch

    x = torch.tensor([0.0, 3.0], requires_grad=True)
    length = torch.sqrt((x * x).clamp_min(1e-12))
    (length * torch.tensor([0.0, 1.0])).sum().backward()
    ```

Limits
    Where the loss itself was not finite, the forward op is the finding (GS403). Inside a compiled
    region only the region is named. Node by node, a long run is watched in its first backwards and
    after a warning sign; a finding from a later backward than the first says "probable".
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from gradscope.facts import Recording
from gradscope.finding import Finding, Severity
from gradscope.rules import rule
from gradscope.rules._births import born

_finding = partial(Finding, "GS401", "nan-gradient")


@rule("GS401", "nan-gradient", Severity.ERROR)
def nan_gradient(recording: Recording) -> Iterator[Finding]:
    """One finding for each op whose backward made a NaN that reached a leaf."""
    return born(recording, "nan", _finding)
