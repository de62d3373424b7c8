"""Graphviz's `dot` program, which turns DOT text into pictures, with a limit to its time."""

from __future__ import annotations

import shutil
import subprocess
from typing import Final

from gradscope.errors import PictureError

SECONDS: Final = 60.0
SMALLER: Final = ("--depth 1", "--path PARAMETER", "--output graph.html   is made for many boxes")
_INSTALL: Final = (
    "apt install graphviz   (or brew install, conda install, winget install Graphviz.Graphviz)",
    "--output graph.html    needs no dot; nor do .json, .mmd, .dot and the tree in the terminal",
)


def laid_out(text: str, kind: str, size: str, seconds: float = SECONDS) -> bytes:
    """What `dot` makes of DOT text. `size` says how large it is, for the error where time runs out.

    Raises PictureError where there is no `dot`, where it fails, and where it takes longer than `seconds`.
    """
    program = shutil.which("dot")
    if program is None:
        raise PictureError(f"there is no dot program, which draws {kind}", try_next=_INSTALL)
    try:
        done = subprocess.run(
            [program, f"-T{kind}"], input=text.encode(), capture_output=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        raise PictureError(
            f"dot did not lay out {size} in {seconds:g} s and was stopped", try_next=SMALLER
        ) from None
    except OSError as error:
        raise PictureError(f"{program} cannot be run: {error.strerror}", try_next=_INSTALL) from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise PictureError(f"dot failed: {said[-1] if said else f'status {done.returncode}'}")
    return done.stdout
