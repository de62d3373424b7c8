"""Torch's own operator database, without what its samples cost beside being made.

Each call of `sample_inputs` looks through the whole stack, and through the sources of all its files, for a
`unittest` case to tell of the sample. There is none here; not to look takes a quarter of the time.
"""

from __future__ import annotations

import warnings
from typing import Any

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from torch.testing._internal import common_utils
    from torch.testing._internal.common_methods_invocations import op_db
    from torch.testing._internal.opinfo import core


def _no_test() -> Any:
    """What it finds here."""
    return None


for each in (common_utils, core):
    if hasattr(each, "extract_test_fn"):
        each.extract_test_fn = _no_test

__all__ = ["op_db"]
